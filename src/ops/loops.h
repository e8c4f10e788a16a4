// What the naive loops of several operators share.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/loop_scope.h"

namespace tenon::ops {

/// The dims of a type as expressions.
std::vector<ir::E> extents_of(ir::LoopScope& scope, const ir::TensorType& type);

/// `order` without `axis`.
std::vector<int> without(std::span<const int> order, int axis);

/// The innermost axis of `order` that is longer than 1; the last one where there is none, -1 where
/// there are no axes.
int innermost_axis(std::span<const int> order, std::span<const ir::E> extents);

/// Makes one task per index along `axes` (outermost first) of a space with these extents. Gives the
/// task's index: 0 along the other axes.
std::vector<ir::E> tasks_over(ir::LoopBuilder& builder, std::span<const ir::E> extents,
                              std::span<const int> axes);

/// Loops over `axes`, outermost first, and runs `body` with these entries of `index` set; the
/// innermost loop is of the given kind. Axes of extent 1 take no loop.
void loop_over(ir::LoopBuilder& builder, std::span<const ir::E> extents, std::span<const int> axes,
               std::vector<ir::E>& index, ir::LoopKind innermost,
               const std::function<void()>& body);

/// The least and the greatest value of a type: infinities for floats.
ir::E lowest(ir::LoopBuilder& builder, ir::DType dtype);
ir::E highest(ir::LoopBuilder& builder, ir::DType dtype);

/// a * b + c; floats round once.
ir::E multiply_add(ir::LoopBuilder& builder, ir::E a, ir::E b, ir::E c);

/// 1 / (1 + exp(-x))
ir::E sigmoid(ir::LoopBuilder& builder, ir::E x);

/// The index of an operand's element that broadcasting puts at `index` of the result.
std::vector<ir::E> broadcast_index(ir::LoopBuilder& builder, const ir::TensorType& operand,
                                   std::span<const ir::E> index);

/// An array of a task's own.
class Scratch {
 public:
  Scratch(ir::LoopBuilder& builder, std::string name, ir::DType dtype, ir::E extent);

  ir::E operator[](ir::E index) const { return builder_.load(buffer_, index); }
  void set(ir::E index, ir::E value) { builder_.store(buffer_, index, value); }
  void fill(ir::E value);
  ir::E extent() const { return extent_; }

 private:
  ir::LoopBuilder& builder_;
  ir::BufferId buffer_;
  ir::E extent_;
};

}  // namespace tenon::ops
