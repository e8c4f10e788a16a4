// Matrix products and linear layers.
#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The last two axes exchanged; a vector stays.
Operand transposed(Emitter& emitter, ValueId x) {
  const int64_t rank = emitter.rank(x);
  std::vector<int64_t> perm = axes_from(0, rank);
  if (rank >= 2) std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return emitter.transpose(x, std::move(perm));
}

/// beta * self + alpha * product.
Result<void> finish_sum(NodeContext& node, Operand product) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId added, node.tensor("self"));
  Operand sum = added;
  if (const double beta = node.number("beta"); beta != 1) {
    sum = emitter.with_number(Op::kMul, sum, beta);
  }
  if (const double alpha = node.number("alpha"); alpha != 1) {
    product = emitter.with_number(Op::kMul, product, alpha);
  }
  if (node.number("beta") == 0) return node.finish(product);
  return node.finish(emitter.emit(Op::kAdd, {product, sum}));
}

/// The matrix product of two arguments.
Operand product_of(NodeContext& node, std::string_view left, std::string_view right) {
  TENON_TRY(ValueId a, node.tensor(left));
  TENON_TRY(ValueId b, node.tensor(right));
  return matrix_product(node.emitter(), a, b);
}

}  // namespace

Result<void> import_linear(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("input"));
  TENON_TRY(ValueId weight, node.tensor("weight"));
  TENON_TRY(ValueId columns, transposed(emitter, weight));
  Operand result = matrix_product(emitter, x, columns);
  if (node.has("bias")) {
    result = emitter.emit(Op::kAdd, {result, node.optional_tensor("bias")});
  }
  return node.finish(std::move(result));
}

Result<void> import_matmul(NodeContext& node) {
  return node.finish(product_of(node, "self", "other"));
}

Result<void> import_mm(NodeContext& node) { return node.finish(product_of(node, "self", "mat2")); }

Result<void> import_mv(NodeContext& node) { return node.finish(product_of(node, "self", "vec")); }

Result<void> import_dot(NodeContext& node) {
  return node.finish(product_of(node, "self", "tensor"));
}

Result<void> import_addmm(NodeContext& node) {
  return finish_sum(node, product_of(node, "mat1", "mat2"));
}

Result<void> import_baddbmm(NodeContext& node) {
  return finish_sum(node, product_of(node, "batch1", "batch2"));
}

Result<void> import_outer(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.tensor("self"));
  TENON_TRY(ValueId b, node.tensor("vec2"));
  return node.finish(emitter.emit(Op::kMul, {emitter.reshape(a, {emitter.shape(a)[0], 1}), b}));
}

}  // namespace tenon::import::pt2
