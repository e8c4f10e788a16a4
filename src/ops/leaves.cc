// constant and parameter, which are their data, and what is made from numbers: dims_tensor, range.
#include "ops/element.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/scalar.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer_dims(InferContext& context) {
  const std::vector<ir::Dim>& dims = context.attrs.dims("dims");
  if (!context.attrs.flag_or("scalar", false)) {
    return std::vector{ir::TensorType{ir::DType::kInt64, {static_cast<int64_t>(dims.size())}}};
  }
  if (dims.size() != 1) return wrong("a scalar of {} numbers", dims.size());
  return std::vector{ir::TensorType{ir::DType::kInt64, {}}};
}

Evaluated evaluate_dims(EvaluateContext& context) {
  std::vector<int64_t> numbers = numbers_of(context.attrs.dims("dims"));
  std::ranges::copy(numbers, context.results[0]->as<int64_t>().begin());
  return {};
}

void dims_to_loops(ir::LoopScope& scope) {
  scope.builder().tasks(scope.builder().integer(1));
  const std::vector<ir::Dim>& dims = scope.attrs().dims("dims");
  for (size_t i = 0; i < dims.size(); ++i) {
    std::vector<ir::E> index;
    if (scope.result_type(0).rank() == 1) {
      index.push_back(scope.builder().integer(static_cast<int64_t>(i)));
    }
    scope.store(0, index, scope.dim(dims[i]));
  }
}

Inferred infer_range(InferContext& context) {
  const ir::TensorType& start = *context.operands[0];
  const ir::TensorType& step = *context.operands[1];
  if (start.rank() != 0 || step.rank() != 0) {
    return wrong("start and step must be scalars, not {} and {}",
                 shape_text(context.dims, start.dims), shape_text(context.dims, step.dims));
  }
  if (start.dtype != step.dtype || start.dtype == ir::DType::kBool) {
    return wrong("start and step must be numbers of one dtype, not {} and {}",
                 to_string(start.dtype), to_string(step.dtype));
  }
  const std::vector<ir::Dim>& size = context.attrs.dims("size");
  if (size.size() != 1) return wrong("a range has one axis, not {}", size.size());
  return std::vector{ir::TensorType{start.dtype, size}};
}

Evaluated evaluate_range(EvaluateContext& context) {
  dispatch(context.results[0]->dtype(), [&]<class T>() {
    if constexpr (!std::same_as<T, bool>) {
      const Compute<T> start = context.operands[0]->as<T>()[0];
      const Compute<T> step = context.operands[1]->as<T>()[0];
      int64_t i = 0;
      for (T& element : context.results[0]->as<T>()) {
        element = T(scalar::add(start, scalar::mul(static_cast<Compute<T>>(i++), step)));
      }
    }
  });
  return {};
}

void range_to_loops(ir::LoopScope& scope) {
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  for_each_element(scope, [&](std::span<const ir::E> index) {
    ir::E start = scope.load(0, {}), step = scope.load(1, {});
    scope.store(0, index, start + scope.builder().cast(index[0], dtype) * step);
  });
}

}  // namespace

template <>
Operator define<ir::Op::kConstant>() {
  return {.infer = nullptr, .evaluate = nullptr, .traits = {.leaf = true}};
}

template <>
Operator define<ir::Op::kParameter>() {
  return {.infer = nullptr, .evaluate = nullptr, .traits = {.leaf = true}};
}

template <>
Operator define<ir::Op::kDimsTensor>() {
  return {infer_dims, evaluate_dims, dims_to_loops};
}

template <>
Operator define<ir::Op::kRange>() {
  return {infer_range, evaluate_range, range_to_loops};
}

}  // namespace tenon::ops
