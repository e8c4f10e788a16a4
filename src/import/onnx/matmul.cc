// Matrix products.
#include <numeric>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

Emitter::Operand matrix_product(Emitter& emitter, ValueId a, ValueId b) {
  std::vector<Dim> a_dims = emitter.shape(a);
  std::vector<Dim> b_dims = emitter.shape(b);
  // A vector is a row on the left and a column on the right; its axis of one goes again.
  const bool is_row = a_dims.size() == 1;
  const bool is_column = b_dims.size() == 1;
  if (is_row) a_dims.insert(a_dims.begin(), 1);
  if (is_column) b_dims.emplace_back(1);
  const Emitter::Operand product =
      emitter.emit(Op::kMatMul, {emitter.reshape(a, a_dims), emitter.reshape(b, b_dims)});
  if (!product || (!is_row && !is_column)) return product;
  std::vector<Dim> dims = emitter.shape(*product);
  if (is_column) dims.pop_back();
  if (is_row) dims.erase(dims.end() - (is_column ? 1 : 2));
  return emitter.reshape(product, std::move(dims));
}

Result<void> import_matmul(NodeContext& node) {
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  return node.finish(matrix_product(node.emitter(), a, b));
}

Result<void> import_gemm(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  if (emitter.rank(a) != 2 || emitter.rank(b) != 2) return node.bad("takes two matrices");
  const auto oriented = [&](ValueId matrix, bool transposed) -> Emitter::Operand {
    return transposed ? emitter.transpose(matrix, {1, 0}) : Emitter::Operand(matrix);
  };
  Emitter::Operand result = emitter.emit(Op::kMatMul, {oriented(a, node.flag("transA", false)),
                                                       oriented(b, node.flag("transB", false))});
  const double alpha = node.number("alpha", 1);
  if (alpha != 1) result = emitter.with_number(Op::kMul, result, alpha);
  const double beta = node.number("beta", 1);
  if (!node.has_input(2) || beta == 0) return node.finish(result);
  Emitter::Operand bias = node.optional_input(2);
  if (beta != 1) bias = emitter.with_number(Op::kMul, bias, beta);
  return node.finish(emitter.emit(Op::kAdd, {result, bias}));
}

}  // namespace tenon::import::onnx
