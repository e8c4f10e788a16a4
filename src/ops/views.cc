// transpose, expand and slice: each result element is one element of the operand, at an index
// that is affine in the result's.
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/strided.h"

namespace tenon::ops {
namespace {

Inferred infer_transpose(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<int64_t>& perm = context.attrs.integers("perm");
  std::vector<bool> seen(x.rank(), false);
  ir::TensorType result{x.dtype, {}};
  for (int64_t axis : perm) {
    if (axis < 0 || axis >= static_cast<int64_t>(x.rank()) || seen[static_cast<size_t>(axis)]) {
      return wrong("the order of axes [{}] is no permutation of {} axes", fmt::join(perm, ", "),
                   x.rank());
    }
    seen[static_cast<size_t>(axis)] = true;
    result.dims.push_back(x.dims[static_cast<size_t>(axis)]);
  }
  if (perm.size() != x.rank()) {
    return wrong("an order of {} axes for {} axes", perm.size(), x.rank());
  }
  return std::vector{std::move(result)};
}

Evaluated evaluate_transpose(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  std::vector<int64_t> dense = dense_strides(x.shape());
  std::vector<int64_t> strides;
  for (int64_t axis : context.attrs.integers("perm")) {
    strides.push_back(dense[static_cast<size_t>(axis)]);
  }
  StridedReader(context.results[0]->shape(), strides).read(x, *context.results[0]);
  return {};
}

void transpose_to_loops(ir::LoopScope& scope) {
  const std::vector<int64_t>& perm = scope.attrs().integers("perm");
  for_each_element(scope, [&](std::span<const ir::E> index) {
    std::vector<ir::E> from(perm.size());
    for (size_t i = 0; i < perm.size(); ++i) from[static_cast<size_t>(perm[i])] = index[i];
    scope.store(0, index, scope.load(0, from));
  });
}

Inferred infer_expand(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<ir::Dim>& dims = context.attrs.dims("dims");
  bool fits = dims.size() >= x.rank();
  for (size_t i = 0; fits && i < x.rank(); ++i) {
    fits = x.dims[i].is(1) || x.dims[i] == dims[dims.size() - x.rank() + i];
  }
  if (!fits) {
    return wrong("{} does not broadcast to {}", shape_text(context.dims, x.dims),
                 shape_text(context.dims, dims));
  }
  return std::vector{ir::TensorType{x.dtype, dims}};
}

Evaluated evaluate_expand(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  StridedReader(result.shape(), broadcast_strides(x.shape(), result.shape())).read(x, result);
  return {};
}

void expand_to_loops(ir::LoopScope& scope) {
  for_each_element(scope, [&](std::span<const ir::E> index) {
    scope.store(0, index, scope.load(0, broadcast_index(scope, 0, index)));
  });
}

Inferred infer_slice(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<ir::Dim>& starts = context.attrs.dims("starts");
  const std::vector<int64_t>& steps = context.attrs.integers("steps");
  const std::vector<ir::Dim>& dims = context.attrs.dims("dims");
  if (starts.size() != x.rank() || steps.size() != x.rank() || dims.size() != x.rank()) {
    return wrong("{} starts, {} steps and {} sizes for {} axes", starts.size(), steps.size(),
                 dims.size(), x.rank());
  }
  for (size_t i = 0; i < x.rank(); ++i) {
    if (steps[i] == 0) return wrong("step 0 along axis {}", i);
    if (dims[i].is(0)) continue;
    ir::Dims& table = context.dims;
    ir::Dim last = table.add(starts[i], table.mul(table.sub(dims[i], 1), steps[i]));
    for (ir::Dim position : {starts[i], last}) {
      ir::Dim beyond = table.sub(position, x.dims[i]);
      if ((position.is_constant() && position.value() < 0) ||
          (beyond.is_constant() && beyond.value() >= 0)) {
        return wrong("elements {} to {} along axis {} do not lie in {}", table.to_string(starts[i]),
                     table.to_string(last), i, shape_text(table, x.dims));
      }
    }
  }
  return std::vector{ir::TensorType{x.dtype, dims}};
}

Evaluated evaluate_slice(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  std::vector<int64_t> starts = numbers_of(context.attrs.dims("starts"));
  const std::vector<int64_t>& steps = context.attrs.integers("steps");
  std::vector<int64_t> strides = dense_strides(x.shape());
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t last = starts[i] + (result.shape()[i] - 1) * steps[i];
    if (result.count() > 0 &&
        (std::min(starts[i], last) < 0 || std::max(starts[i], last) >= x.shape()[i])) {
      return wrong("elements {} to {} along axis {} do not lie in {}", starts[i], last, i,
                   x.shape()[i]);
    }
    offset += starts[i] * strides[i];
    strides[i] *= steps[i];
  }
  StridedReader(result.shape(), strides, offset).read(x, result);
  return {};
}

void slice_to_loops(ir::LoopScope& scope) {
  const std::vector<int64_t>& steps = scope.attrs().integers("steps");
  std::vector<ir::E> starts;
  for (ir::Dim start : scope.attrs().dims("starts")) starts.push_back(scope.dim(start));
  for_each_element(scope, [&](std::span<const ir::E> index) {
    std::vector<ir::E> from;
    for (size_t i = 0; i < index.size(); ++i) from.push_back(starts[i] + index[i] * steps[i]);
    scope.store(0, index, scope.load(0, from));
  });
}

}  // namespace

template <>
Operator define<ir::Op::kTranspose>() {
  return {infer_transpose, evaluate_transpose, transpose_to_loops, {.view = true}};
}

template <>
Operator define<ir::Op::kExpand>() {
  return {infer_expand, evaluate_expand, expand_to_loops, {.view = true}};
}

template <>
Operator define<ir::Op::kSlice>() {
  return {infer_slice, evaluate_slice, slice_to_loops, {.view = true}};
}

}  // namespace tenon::ops
