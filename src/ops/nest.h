// Loop nests of naive lowerings: a box of elements walked in a given order, its outermost axes cut
// into tasks.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/loop_scope.h"

namespace tenon::ops {

/// A run of elements along one axis: index[axis] goes from begin to end. A box without axes longer
/// than 1 is one row with axis -1: a single element.
struct Row {
  int axis = -1;
  ir::E begin, end;
};

/// May set index[row.axis]; the other entries are set when it is called.
using RowBody = std::function<void(std::vector<ir::E>& index, const Row& row)>;
using ElementBody = std::function<void(std::span<const ir::E> index)>;

/// A box of elements. One task is at least about a thousand operations, where the box has as many:
/// the outermost axes, and a chunk of the next one.
class Nest {
 public:
  /// All elements of a result in its memory order; `work` is the number of operations per element.
  explicit Nest(ir::LoopScope& scope, int result = 0, int64_t work = 1);
  /// A box with these extents by axis; `order` lists its axes from the outermost loop in.
  Nest(ir::LoopScope& scope, std::vector<ir::E> extents, std::vector<int> order, int64_t work = 1);

  ir::E task_count() const;

  /// The loops of one task, a call of `body` for each row.
  void rows(ir::E task, const RowBody& body) const;
  /// The same, with the loop over a row's elements: kVector where the body's lanes are independent.
  void elements(ir::E task, const ElementBody& body,
                ir::LoopKind kind = ir::LoopKind::kVector) const;

 private:
  ir::E parts() const;

  ir::LoopBuilder* builder_;
  std::vector<ir::E> extents_;
  std::vector<int> order_;  // without axes of extent 1
  size_t split_ = 0;        // order_[split_] is cut into chunks; the axes before it are flattened
  int64_t chunk_ = 0;       // 0: the axis is not cut
};

/// The loop over a row's elements.
void for_each_in(ir::LoopBuilder& builder, std::vector<ir::E>& index, const Row& row,
                 const ElementBody& body, ir::LoopKind kind = ir::LoopKind::kVector);

/// A kernel that is one nest over result 0.
void for_each_row(ir::LoopScope& scope, const RowBody& body, int64_t work = 1);
void for_each_element(ir::LoopScope& scope, const ElementBody& body,
                      ir::LoopKind kind = ir::LoopKind::kVector, int64_t work = 1);

/// Loops over all elements of a box in row-major order, within a task.
void for_each_in_box(ir::LoopBuilder& builder, std::span<const ir::E> extents,
                     const ElementBody& body);

/// Where an operand is read for the element of result 0 at `index`, by numpy's broadcasting.
std::vector<ir::E> broadcast_index(ir::LoopScope& scope, int operand, std::span<const ir::E> index);

}  // namespace tenon::ops
