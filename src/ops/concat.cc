#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer(InferContext& context) {
  ir::TensorType result = *context.operands[0];
  TENON_TRY(size_t axis, axis_of(context.attrs, result.rank()));
  for (const ir::TensorType* x : context.operands.subspan(1)) {
    if (x->dtype != result.dtype) {
      return wrong("operands have different dtypes, {} and {}", to_string(result.dtype),
                   to_string(x->dtype));
    }
    bool fits = x->rank() == result.rank();
    for (size_t i = 0; fits && i < result.rank(); ++i) {
      fits = i == axis || x->dims[i] == result.dims[i];
    }
    if (!fits) {
      return wrong("{} does not continue {} along axis {}", shape_text(context.dims, x->dims),
                   shape_text(context.dims, context.operands[0]->dims), axis);
    }
    result.dims[axis] = context.dims.add(result.dims[axis], x->dims[axis]);
  }
  return std::vector{std::move(result)};
}

Evaluated evaluate(EvaluateContext& context) {
  Tensor& result = *context.results[0];
  const auto axis = static_cast<size_t>(context.attrs.integer("axis"));
  size_t outer = 1, inner = static_cast<size_t>(ir::size_of(result.dtype()));
  for (size_t i = 0; i < result.shape().size(); ++i) {
    if (i < axis) outer *= static_cast<size_t>(result.shape()[i]);
    if (i > axis) inner *= static_cast<size_t>(result.shape()[i]);
  }
  std::byte* target = result.bytes();
  for (size_t i = 0; i < outer; ++i) {
    for (const Tensor* x : context.operands) {
      const size_t run = static_cast<size_t>(x->shape()[axis]) * inner;
      std::memcpy(target, x->bytes() + i * run, run);
      target += run;
    }
  }
  return {};
}

/// Each operand has a nest and tasks of its own.
void to_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const auto axis = static_cast<size_t>(scope.attrs().integer("axis"));
  std::vector<Nest> nests;
  std::vector<ir::E> starts = {builder.integer(0)};  // along the axis
  std::vector<ir::E> tasks = {builder.integer(0)};
  for (int i = 0; scope.has_operand(i); ++i) {
    std::vector<ir::E> extents;
    for (ir::Dim dim : scope.operand_type(i).dims) extents.push_back(scope.dim(dim));
    starts.push_back(starts.back() + extents[axis]);
    nests.emplace_back(scope, std::move(extents), scope.memory_order(0));
    tasks.push_back(tasks.back() + nests.back().task_count());
  }
  ir::E task = builder.tasks(tasks.back());
  std::function<void(size_t)> emit = [&](size_t i) {
    auto copy = [&] {
      nests[i].elements(task - tasks[i], [&](std::span<const ir::E> index) {
        std::vector<ir::E> to(index.begin(), index.end());
        to[axis] = to[axis] + starts[i];
        scope.store(0, to, scope.load(static_cast<int>(i), index));
      });
    };
    if (i + 1 == nests.size()) return copy();
    builder.if_then(task < tasks[i + 1], copy, [&] { emit(i + 1); });
  };
  emit(0);
}

}  // namespace

template <>
Operator define<ir::Op::kConcat>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
