// Quantised operators of com.microsoft: the operator on the real numbers that the integers stand
// for, its result as integers again.
#include "import/onnx/operators.h"
#include "import/onnx/quantize.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The real numbers of operand i, with its scale and its zero point behind it.
Operand real_input(NodeContext& node, size_t i) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(i));
  TENON_TRY(const ValueId scale, node.input(i + 1));
  const Operand whole = centred(emitter, x, node.optional_input(i + 2));
  return emitter.emit(Op::kMul, {emitter.cast(whole, emitter.dtype(scale)), scale});
}

/// Makes integers of `real`, by the scale that is operand i and the zero point behind it; without
/// one, 0 in the type of `like`.
Result<void> finish_quantised(NodeContext& node, const Operand& real, size_t i, ValueId like) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId scale, node.input(i));
  const ValueId zero = node.optional_input(i + 1);
  return node.finish(saturate(emitter, emitter.emit(Op::kDiv, {real, scale}), zero,
                              emitter.dtype(zero ? zero : like)));
}

/// An operator on one operand: x, its scale and zero point, those of the result.
Result<void> import_unary(NodeContext& node, Op op, ir::Attrs attrs) {
  TENON_TRY(const ValueId x, node.input(0));
  const Operand result = node.emitter().emit(op, {real_input(node, 0)}, std::move(attrs));
  return finish_quantised(node, result, 3, x);
}

}  // namespace

Result<void> import_qlinear_binary(NodeContext& node) {
  TENON_TRY(const ValueId a, node.input(0));
  const Op op = node.op_type() == "QLinearAdd" ? Op::kAdd : Op::kMul;
  const Operand result = node.emitter().emit(op, {real_input(node, 0), real_input(node, 3)});
  return finish_quantised(node, result, 6, a);
}

Result<void> import_qlinear_sigmoid(NodeContext& node) {
  return import_unary(node, Op::kSigmoid, {});
}

Result<void> import_qlinear_leaky_relu(NodeContext& node) {
  return import_unary(node, Op::kLeakyRelu, {{"alpha", node.number("alpha", 0.01F)}});
}

Result<void> import_qlinear_softmax(NodeContext& node) {
  TENON_TRY(const ValueId x, node.input(0));
  const int64_t rank = node.emitter().rank(x);
  TENON_TRY(const int64_t axis, node.axis(node.integer("axis", -1), rank));
  if (node.integer("opset", 13) < 13 && axis != rank - 1) {
    return node.unsupported("QLinearSoftmax over several axes");
  }
  return import_unary(node, Op::kSoftmax, {{"axis", axis}, {"log", false}});
}

Result<void> import_qlinear_global_average_pool(NodeContext& node) {
  if (node.flag("channels_last", false)) {
    return node.unsupported("QLinearGlobalAveragePool with channels last");
  }
  TENON_TRY(const ValueId x, node.input(0));
  const std::vector<int64_t> axes = axes_from(2, node.emitter().rank(x));
  const Operand mean = node.emitter().reduce(real_input(node, 0), "mean", axes, true);
  return finish_quantised(node, mean, 3, x);
}

/// The result's scale and zero point come first, then each part with its own.
Result<void> import_qlinear_concat(NodeContext& node) {
  Emitter& emitter = node.emitter();
  std::vector<Operand> parts;
  for (size_t i = 2; i < node.input_count(); i += 3) parts.push_back(real_input(node, i));
  if (parts.empty()) return node.bad("has no operands");
  TENON_TRY(const ValueId first, parts.front());
  TENON_TRY(const int64_t axis, node.axis(node.integer("axis", 0), emitter.rank(first)));
  TENON_TRY(const ValueId like, node.input(2));
  return finish_quantised(node, emitter.concat(parts, axis), 0, like);
}

Result<void> import_qlinear_where(NodeContext& node) {
  TENON_TRY(const ValueId condition, node.input(0));
  TENON_TRY(const ValueId like, node.input(1));
  const Operand chosen =
      node.emitter().emit(Op::kWhere, {condition, real_input(node, 1), real_input(node, 4)});
  return finish_quantised(node, chosen, 7, like);
}

namespace {

/// The product of integers, scaled: a and b are matrices without their zero points.
Operand scaled_product(NodeContext& node, ValueId a, ValueId b, const Operand& scale) {
  Emitter& emitter = node.emitter();
  const Operand product = emitter.cast(matrix_product(emitter, a, b), DType::kFloat32);
  return emitter.emit(Op::kMul, {product, scale});
}

Operand with_bias(NodeContext& node, const Operand& x, size_t bias) {
  if (!node.has_input(bias)) return x;
  return node.emitter().emit(Op::kAdd, {x, node.optional_input(bias)});
}

}  // namespace

/// alpha * A * B + C, C in units of the product of both scales; floats where no result's scale is
/// given.
Result<void> import_qgemm(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId a, node.input(0));
  TENON_TRY(const ValueId a_scale, node.input(1));
  TENON_TRY(const ValueId b, node.input(3));
  TENON_TRY(const ValueId b_scale, node.input(4));
  if (emitter.rank(a) != 2 || emitter.rank(b) != 2) return node.bad("takes two matrices");
  const auto oriented = [&](const Operand& matrix, std::string_view attribute) {
    return node.flag(attribute, false) ? emitter.transpose(matrix, {1, 0}) : matrix;
  };
  TENON_TRY(const ValueId left, oriented(centred(emitter, a, node.optional_input(2)), "transA"));
  const bool per_column = emitter.rank(b_scale) == 1 && !emitter.shape(b_scale)[0].is(1);
  if (per_column && node.flag("transB", false)) {
    return node.unsupported("QGemm of a transposed matrix with scales per column");
  }
  TENON_TRY(const ValueId right, oriented(centred(emitter, b, node.optional_input(5)), "transB"));
  Operand sum = matrix_product(emitter, left, right);
  if (node.has_input(6)) sum = emitter.emit(Op::kAdd, {sum, node.optional_input(6)});
  const Operand scale = emitter.with_number(Op::kMul, emitter.emit(Op::kMul, {a_scale, b_scale}),
                                            node.number("alpha", 1));
  const Operand real = emitter.emit(Op::kMul, {emitter.cast(sum, DType::kFloat32), scale});
  if (!node.has_input(7)) return node.finish(real);
  return finish_quantised(node, real, 7, a);
}

Result<void> import_matmul_integer_to_float(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId a, node.input(0));
  TENON_TRY(const ValueId b, node.input(1));
  TENON_TRY(const ValueId a_scale, node.input(2));
  TENON_TRY(const ValueId b_scale, node.input(3));
  TENON_TRY(const ValueId left, centred(emitter, a, node.optional_input(4)));
  TENON_TRY(const ValueId right, centred(emitter, b, node.optional_input(5)));
  const Operand scale = emitter.emit(Op::kMul, {a_scale, b_scale});
  return node.finish(with_bias(node, scaled_product(node, left, right, scale), 6));
}

/// A of floats is quantised by its own range first.
Result<void> import_dynamic_quantize_matmul(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId a, node.input(0));
  TENON_TRY(const ValueId b, node.input(1));
  TENON_TRY(const ValueId b_scale, node.input(2));
  TENON_TRY(const Quantised quantised, quantise_by_range(emitter, a));
  TENON_TRY(const ValueId left, centred(emitter, quantised.integers, quantised.zero));
  TENON_TRY(const ValueId right, centred(emitter, b, node.optional_input(3)));
  const Operand scale = emitter.emit(Op::kMul, {quantised.scale, b_scale});
  return node.finish(with_bias(node, scaled_product(node, left, right, scale), 4));
}

}  // namespace tenon::import::onnx
