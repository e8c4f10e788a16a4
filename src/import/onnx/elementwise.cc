// Operators whose result element depends on the operands' elements at the same index.
#include <algorithm>
#include <limits>

#include "import/onnx/operators.h"

namespace tenon::import::onnx {

using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

std::optional<Op> elementwise_op(std::string_view op_type) {
  for (size_t i = 0; i < ir::op_count(); ++i) {
    const Op op = static_cast<Op>(i);
    if (ir::info(op).onnx == op_type) return op;
  }
  return std::nullopt;
}

/// x to a whole power as products; the value is computed as eager computes it.
Emitter::Operand small_power(Emitter& emitter, ValueId x, int64_t exponent) {
  Emitter::Operand product = x;
  for (int64_t i = 1; i < exponent; ++i) product = emitter.emit(Op::kMul, {product, x});
  return product;
}

}  // namespace

Result<void> import_elementwise(NodeContext& node) {
  const std::optional<Op> op = elementwise_op(node.op_type());
  TENON_CHECK(op.has_value(), "the table found the operator by its row");
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  const size_t expected = ir::info(*op).operands.size();
  if (operands.size() != expected) {
    return node.bad(fmt::format("has {} operands, not {}", operands.size(), expected));
  }
  return node.finish(node.emitter().emit(*op, std::move(operands)));
}

Result<void> import_pow(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId exponent, node.input(1));
  const DType dtype = emitter.dtype(x);
  const std::optional<double> power = emitter.scalar(exponent);
  if (power && emitter.rank(exponent) <= emitter.rank(x)) {
    if (*power == 1 || *power == 2 || *power == 3) {
      return node.finish(small_power(emitter, x, static_cast<int64_t>(*power)));
    }
    if (*power == 0.5 && is_float(dtype)) return node.finish(emitter.emit(Op::kSqrt, {x}));
    if (*power == -1 && is_float(dtype)) return node.finish(emitter.emit(Op::kReciprocal, {x}));
  }
  // The result has the base's type, but a fractional power of integers is computed in floats.
  const bool in_floats = is_float(emitter.dtype(exponent)) && !is_float(dtype);
  const DType compute = in_floats ? DType::kFloat64 : dtype;
  return node.finish(emitter.cast(
      emitter.emit(Op::kPow, {emitter.cast(x, compute), emitter.cast(exponent, compute)}), dtype));
}

Result<void> import_mod(NodeContext& node) {
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  return node.finish(node.emitter().emit(node.flag("fmod", false) ? Op::kFmod : Op::kMod, {a, b}));
}

namespace {

Emitter::Operand chain(Emitter& emitter, Op op, const std::vector<Emitter::Operand>& operands) {
  Emitter::Operand total = operands.front();
  for (size_t i = 1; i < operands.size(); ++i) total = emitter.emit(op, {total, operands[i]});
  return total;
}

Result<void> import_chain(NodeContext& node, Op op) {
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  return node.finish(chain(node.emitter(), op, operands));
}

}  // namespace

Result<void> import_max(NodeContext& node) { return import_chain(node, Op::kMax); }
Result<void> import_min(NodeContext& node) { return import_chain(node, Op::kMin); }
Result<void> import_sum(NodeContext& node) { return import_chain(node, Op::kAdd); }

Result<void> import_mean(NodeContext& node) {
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  Emitter& emitter = node.emitter();
  return node.finish(emitter.with_number(Op::kDiv, chain(emitter, Op::kAdd, operands),
                                         static_cast<double>(operands.size())));
}

Result<void> import_clip(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  ValueId low = node.optional_input(1);
  ValueId high = node.optional_input(2);
  if (node.opset() < 11) {
    if (auto bound = node.number("min")) low = emitter.number(*bound, emitter.dtype(x));
    if (auto bound = node.number("max")) high = emitter.number(*bound, emitter.dtype(x));
  }
  if (low && high) return node.finish(emitter.emit(Op::kClip, {x, low, high}));
  if (low) return node.finish(emitter.emit(Op::kMax, {x, low}));
  if (high) return node.finish(emitter.emit(Op::kMin, {x, high}));
  return node.finish(x);
}

Result<void> import_cast(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  if (!node.has_attribute("to")) return node.bad("attribute 'to' is missing");
  TENON_TRY(DType to, node.dtype("to", DType::kFloat32));
  return node.finish(node.emitter().cast(x, to));
}

Result<void> import_cast_like(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId like, node.input(1));
  return node.finish(node.emitter().cast(x, node.emitter().dtype(like)));
}

Result<void> import_bit_shift(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  const std::string direction = node.text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return node.bad(fmt::format("direction '{}' is neither LEFT nor RIGHT", direction));
  }
  const bool is_left = direction == "LEFT";
  const DType dtype = emitter.dtype(b);
  const int width = 8 * size_of(dtype);
  // A shift out of range moves every bit out; to the right that leaves copies of the sign.
  Emitter::Operand in_range = emitter.with_number(Op::kLess, b, width);
  if (is_signed(dtype)) {
    in_range = emitter.emit(Op::kAnd, {in_range, emitter.with_number(Op::kGreaterEqual, b, 0)});
  }
  const Emitter::Operand shifted = emitter.emit(is_left ? Op::kShiftLeft : Op::kShiftRight, {a, b});
  const Emitter::Operand outside = is_left || !is_signed(dtype)
                                       ? emitter.number(0, dtype)
                                       : emitter.with_number(Op::kShiftRight, a, width - 1);
  return node.finish(emitter.emit(Op::kWhere, {in_range, shifted, outside}));
}

Result<void> import_bit_cast(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(DType to, node.dtype("to", DType::kFloat32));
  const DType from = node.emitter().dtype(x);
  if (size_of(from) != size_of(to)) return node.bad("BitCast between types of different size");
  if (from == to) return node.finish(x);
  if (from == DType::kBool) {
    return node.finish(
        node.emitter().emit(Op::kBitCast, {node.emitter().cast(x, DType::kUInt8)}, {{"to", to}}));
  }
  if (to == DType::kBool || ir::compute_type(from) != from || ir::compute_type(to) != to) {
    return node.unsupported("BitCast to bool, or of 16-bit floats");
  }
  return node.finish(node.emitter().emit(Op::kBitCast, {x}, {{"to", to}}));
}

Result<void> import_is_inf(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  return node.finish(node.emitter().emit(Op::kIsInf, {x},
                                         {{"negative", node.flag("detect_negative", true)},
                                          {"positive", node.flag("detect_positive", true)}}));
}

}  // namespace tenon::import::onnx
