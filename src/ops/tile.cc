#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/strided.h"

namespace tenon::ops {
namespace {

Inferred infer(InferContext& context) {
  ir::TensorType result = *context.operands[0];
  const std::vector<ir::Dim>& repeats = context.attrs.dims("repeats");
  if (repeats.size() != result.rank()) {
    return wrong("{} repeats for {} axes", repeats.size(), result.rank());
  }
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i].is_constant() && repeats[i].value() < 0) {
      return wrong("{} repeats along axis {}", repeats[i].value(), i);
    }
    result.dims[i] = context.dims.mul(result.dims[i], repeats[i]);
  }
  return std::vector{std::move(result)};
}

// Each axis of the result is two: the repeat, and the position in the operand.

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  std::vector<int64_t> repeats = numbers_of(context.attrs.dims("repeats"));
  std::vector<int64_t> dense = dense_strides(x.shape());
  std::vector<int64_t> shape, strides;
  for (size_t i = 0; i < repeats.size(); ++i) {
    shape.insert(shape.end(), {repeats[i], x.shape()[i]});
    strides.insert(strides.end(), {0, dense[i]});
  }
  StridedReader(shape, strides).read(x, *context.results[0]);
  return {};
}

void to_loops(ir::LoopScope& scope) {
  const std::vector<ir::Dim>& repeats = scope.attrs().dims("repeats");
  const std::vector<ir::Dim>& dims = scope.operand_type(0).dims;
  std::vector<ir::E> extents;
  for (size_t i = 0; i < dims.size(); ++i) {
    extents.insert(extents.end(), {scope.dim(repeats[i]), scope.dim(dims[i])});
  }
  std::vector<int> order;
  for (int axis : scope.memory_order(0)) order.insert(order.end(), {2 * axis, 2 * axis + 1});
  Nest nest(scope, extents, order);
  ir::E task = scope.builder().tasks(nest.task_count());
  nest.elements(task, [&](std::span<const ir::E> index) {
    std::vector<ir::E> from, to;
    for (size_t i = 0; i < dims.size(); ++i) {
      from.push_back(index[2 * i + 1]);
      to.push_back(index[2 * i] * extents[2 * i + 1] + index[2 * i + 1]);
    }
    scope.store(0, to, scope.load(0, from));
  });
}

}  // namespace

template <>
Operator define<ir::Op::kTile>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
