// Runs an operator's shape rule and reference evaluation on tensors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ops/op.h"

namespace tenon::testing {

/// The results' types for operands of these types; an absent operand is a null pointer.
inline ops::Inferred infer(ir::Op op, std::vector<const ir::TensorType*> operands,
                           const ir::Attrs& attrs, ir::Dims& dims) {
  operands.resize(std::max(operands.size(), ir::info(op).operands.size()), nullptr);
  ops::InferContext context{dims, attrs, operands};
  return ops::operator_of(op).infer(context);
}

/// The results, or the error of the shape rule or the evaluation.
inline std::expected<std::vector<ops::Tensor>, std::string> try_evaluate(
    ir::Op op, const std::vector<ops::Tensor>& tensors, const ir::Attrs& attrs = {}) {
  ir::Dims dims;
  std::vector<ir::TensorType> types;
  std::vector<const ops::Tensor*> operands;
  for (const ops::Tensor& tensor : tensors) {
    types.push_back({tensor.dtype(), {tensor.shape().begin(), tensor.shape().end()}});
    operands.push_back(&tensor);
  }
  std::vector<const ir::TensorType*> type_pointers;
  for (const ir::TensorType& type : types) type_pointers.push_back(&type);
  TENON_TRY(std::vector<ir::TensorType> inferred, infer(op, type_pointers, attrs, dims));
  std::vector<ops::Tensor> results;
  for (const ir::TensorType& type : inferred) {
    std::vector<int64_t> shape;
    for (ir::Dim dim : type.dims) shape.push_back(dim.value());
    results.emplace_back(type.dtype, std::move(shape));
  }
  std::vector<ops::Tensor*> targets;
  for (ops::Tensor& result : results) targets.push_back(&result);
  operands.resize(std::max(operands.size(), ir::info(op).operands.size()), nullptr);
  ops::EvaluateContext context{attrs, operands, targets};
  TENON_TRY_DO(ops::operator_of(op).evaluate(context));
  return results;
}

/// The one result; an error fails the test and gives an empty tensor.
inline ops::Tensor evaluate(ir::Op op, const std::vector<ops::Tensor>& tensors,
                            const ir::Attrs& attrs = {}) {
  auto results = try_evaluate(op, tensors, attrs);
  if (!results) {
    ADD_FAILURE() << ir::info(op).name << ": " << results.error();
    return ops::Tensor(ir::DType::kFloat32, {0});
  }
  return std::move(results->front());
}

/// The error's sentence, or "" when there is none.
inline std::string error_of(ir::Op op, const std::vector<ops::Tensor>& tensors,
                            const ir::Attrs& attrs = {}) {
  auto results = try_evaluate(op, tensors, attrs);
  return results ? "" : results.error();
}

inline std::vector<double> numbers(const ops::Tensor& tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.count(); ++i) result.push_back(tensor.number(i));
  return result;
}

/// A tensor whose elements are these numbers converted to `dtype`.
inline ops::Tensor tensor(ir::DType dtype, std::vector<int64_t> shape,
                          const std::vector<double>& values) {
  ops::Tensor result(dtype, std::move(shape));
  EXPECT_EQ(static_cast<size_t>(result.count()), values.size());
  for (size_t i = 0; i < values.size(); ++i) result.set_number(static_cast<int64_t>(i), values[i]);
  return result;
}

inline ops::Tensor floats(std::vector<int64_t> shape, const std::vector<double>& values) {
  return tensor(ir::DType::kFloat32, std::move(shape), values);
}

inline ops::Tensor integers(std::vector<int64_t> shape, const std::vector<double>& values) {
  return tensor(ir::DType::kInt64, std::move(shape), values);
}

/// 0, 1, 2, ... in row-major order.
inline ops::Tensor counting(ir::DType dtype, std::vector<int64_t> shape) {
  ops::Tensor result(dtype, std::move(shape));
  for (int64_t i = 0; i < result.count(); ++i) result.set_integer(i, i);
  return result;
}

}  // namespace tenon::testing
