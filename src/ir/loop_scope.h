// What a lowering sees of the node that it turns into loops: operands and results by logical index.
// Behind it stand placement (strides, halos, aliases) and fusion (a load may be a producer's
// expression, a store may run an epilogue), so that neither naive loops nor recipes know of them.
#pragma once

#include <numeric>
#include <span>
#include <vector>

#include "base/target.h"
#include "ir/graph.h"
#include "ir/loop_builder.h"

namespace tenon::ir {

/// An operand that lives in memory: element (i, j, ...) is buffer[offset + i*strides[0] +
/// j*strides[1] + ...].
struct View {
  BufferId buffer;
  E offset;
  std::vector<E> strides;
};

/// Lanes of one access along a logical axis. The default is one scalar.
struct Lanes {
  int axis = -1;  ///< the logical axis along which lane i is element index + i
  int count = 1;
  E mask = {};  ///< bool lanes, or none: all
};

class LoopScope {
 public:
  virtual ~LoopScope() = default;

  virtual LoopBuilder& builder() = 0;
  virtual const Target& target() const = 0;
  virtual const Attrs& attrs() const = 0;
  virtual bool has_operand(int operand) const = 0;
  virtual const TensorType& operand_type(int operand) const = 0;
  virtual const TensorType& result_type(int result) const = 0;

  /// A dim as an expression: a number, or over the kernel's parameters.
  virtual E dim(Dim dim) = 0;

  /// The operand's element at `index`, in its dtype's compute type.
  virtual E load(int operand, std::span<const E> index, Lanes lanes = {}) = 0;

  /// Says that this element of the result has this value, given in the compute type. Every element
  /// of every result is stored exactly once.
  virtual void store(int result, std::span<const E> index, E value, Lanes lanes = {}) = 0;

  /// Says that a store to this element is near: fetches its cache line, for which stores to cold
  /// memory would wait.
  virtual void expect_store(int result, std::span<const E> index) { (void)result, (void)index; }

  /// Sizes of windows along the result's axes from the third on, where only the largest element of
  /// each is wanted: a store gives that element, at the window's index. The windows stand side by
  /// side; what fills none is not stored. Empty: every element is wanted. Only for recipes that can
  /// (schedule/recipe.h).
  virtual std::vector<int64_t> pooling() const { return {}; }

  /// The scope of the node that makes an operand in this kernel, with the same builder, for a
  /// recipe that lowers it along (schedule/recipe.h). It has `finished` in the place of `store`.
  /// Null: the operand is not made here.
  virtual LoopScope* producer(int operand) {
    (void)operand;
    return nullptr;
  }

  /// What the readers of this element of the result are to have where the node gives this value:
  /// that after the epilogue, if there is one.
  virtual E finished(int result, std::span<const E> index, E value, Lanes lanes = {}) {
    (void)result, (void)index, (void)lanes;
    return value;
  }

  /// The result's element at `index`, in its compute type, which an earlier round has stored. Only
  /// for a node that is alone in its kernel.
  virtual E load_result(int result, std::span<const E> index, Lanes lanes = {}) = 0;

  /// Where an operand lies, for recipes that walk memory themselves. Only for an operand that no
  /// producer was fused into; recipes name those operands (schedule/recipe.h).
  virtual View view(int operand) = 0;

  /// Where a result lies. Only for a node that is alone in its kernel.
  virtual View result_view(int result) = 0;

  /// Whether everything that a store reads and writes walks the result's axes `outer` and
  /// `inner` as one, so that index (0, i) names element (i / size, i % size) of them.
  virtual bool adjacent(int outer, int inner) const = 0;

  /// Axes of a result from outermost to innermost in memory: the order in which loops should walk.
  virtual std::vector<int> memory_order(int result) const = 0;

  /// The same for an operand, as far as it is known: logical order where a producer was fused into
  /// it.
  virtual std::vector<int> operand_order(int operand) const {
    std::vector<int> order(operand_type(operand).rank());
    std::iota(order.begin(), order.end(), 0);
    return order;
  }
};

}  // namespace tenon::ir
