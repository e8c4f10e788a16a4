// Operators of com.microsoft, ONNX Runtime's own domain, which its optimiser writes into files.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Op;
using ir::ValueId;

Result<void> import_fused_matmul(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  if (node.flag("transBatchA", false) || node.flag("transBatchB", false)) {
    return node.unsupported("FusedMatMul with transposed batches");
  }
  const auto oriented = [&](ValueId matrix, std::string_view attribute) -> Emitter::Operand {
    const int64_t rank = emitter.rank(matrix);
    if (!node.flag(attribute, false) || rank < 2) return matrix;
    std::vector<int64_t> perm = axes_from(0, rank);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return emitter.transpose(matrix, std::move(perm));
  };
  TENON_TRY(a, oriented(a, "transA"));
  TENON_TRY(b, oriented(b, "transB"));
  const Emitter::Operand product = matrix_product(emitter, a, b);
  const double alpha = node.number("alpha", 1);
  return node.finish(alpha == 1 ? product : emitter.with_number(Op::kMul, product, alpha));
}

/// Gelu of x plus an optional bias; FastGelu by tanh, BiasGelu by the error function.
Result<void> import_bias_gelu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  Emitter::Operand sum = x;
  if (node.has_input(1)) sum = emitter.emit(Op::kAdd, {x, node.optional_input(1)});
  return node.finish(
      emitter.emit(node.op_type() == "FastGelu" ? Op::kGeluTanh : Op::kGelu, {std::move(sum)}));
}

/// The norm of input + skip (+ bias); the sum is the fourth output.
Result<void> import_skip_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId skip, node.input(1));
  TENON_TRY(ValueId scale, node.input(2));
  const bool is_simplified = node.op_type() == "SkipSimplifiedLayerNormalization";
  const size_t bias_at = is_simplified ? 3 : 4;
  if (node.wants_output(1) || node.wants_output(2)) {
    return node.unsupported(fmt::format("statistics of {}", node.op_type()));
  }
  Emitter::Operand sum = emitter.emit(Op::kAdd, {x, skip});
  if (node.has_input(bias_at)) {
    sum = emitter.emit(Op::kAdd, {sum, node.optional_input(bias_at)});
  }
  TENON_TRY(ValueId total, std::move(sum));
  node.set_output(3, total);
  std::vector<Emitter::Operand> operands = {total, scale};
  if (!is_simplified) operands.emplace_back(node.optional_input(3));
  return node.finish(
      emitter.emit(is_simplified ? Op::kRmsNorm : Op::kLayerNorm, std::move(operands),
                   {{"axes", int64_t{1}}, {"epsilon", node.number("epsilon", 1e-12F)}}));
}

}  // namespace tenon::import::onnx
