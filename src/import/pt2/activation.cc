// Elementwise operators with arguments that are no operands.
#include <cmath>
#include <limits>

#include "import/pt2/operators.h"
#include "import/pt2/promotion.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The operand `self`, whole numbers in the float type of the result.
Operand float_self(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  const auto& result = node.result_type();
  const bool widens = result && is_float(result->dtype) && !is_float(node.emitter().dtype(x));
  return widens ? node.emitter().cast(x, result->dtype) : Operand(x);
}

/// x limited to what is given of low and high, in their common type.
Result<void> clamp(NodeContext& node, const Value& low, const Value& high) {
  Emitter& emitter = node.emitter();
  std::vector<Value> operands = {node.argument("self")};
  for (const Value* bound : {&low, &high}) {
    if (!bound->is_none()) operands.push_back(*bound);
  }
  TENON_TRY(DType dtype, promoted_type(node, emitter, operands));
  Operand x = as_operand(node, operands[0], dtype);
  if (!low.is_none() && !high.is_none()) {
    return node.finish(
        emitter.emit(Op::kClip, {x, as_operand(node, low, dtype), as_operand(node, high, dtype)}));
  }
  if (!low.is_none()) x = emitter.emit(Op::kMax, {x, as_operand(node, low, dtype)});
  if (!high.is_none()) x = emitter.emit(Op::kMin, {x, as_operand(node, high, dtype)});
  return node.finish(std::move(x));
}

}  // namespace

Result<void> import_clamp(NodeContext& node) {
  return clamp(node, node.argument("min"), node.argument("max"));
}
Result<void> import_clamp_min(NodeContext& node) { return clamp(node, node.argument("min"), {}); }
Result<void> import_clamp_max(NodeContext& node) { return clamp(node, {}, node.argument("max")); }

Result<void> import_hardtanh(NodeContext& node) {
  return clamp(node, node.argument("min_val"), node.argument("max_val"));
}

Result<void> import_relu6(NodeContext& node) { return clamp(node, {Dim(0)}, {Dim(6)}); }

Result<void> import_gelu(NodeContext& node) {
  const std::string how = node.text("approximate");
  if (how != "none" && how != "tanh") return node.bad(fmt::format("approximation '{}'", how));
  return node.finish(
      node.emitter().emit(how == "none" ? Op::kGelu : Op::kGeluTanh, {float_self(node)}));
}

Result<void> import_hardsigmoid(NodeContext& node) {
  return node.finish(node.emitter().emit(Op::kHardSigmoid, {float_self(node)},
                                         {{"alpha", 1.0 / 6}, {"beta", 0.5}}));
}

Result<void> import_leaky_relu(NodeContext& node) {
  return node.finish(node.emitter().emit(Op::kLeakyRelu, {float_self(node)},
                                         {{"alpha", node.number("negative_slope")}}));
}

Result<void> import_elu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  if (node.number("input_scale") != 1) return node.unsupported("input_scale");
  const Operand x = emitter.emit(Op::kElu, {float_self(node)}, {{"alpha", node.number("alpha")}});
  const double scale = node.number("scale");
  return node.finish(scale == 1 ? x : emitter.with_number(Op::kMul, x, scale));
}

Result<void> import_selu(NodeContext& node) {
  return node.finish(node.emitter().emit(Op::kSelu, {float_self(node)},
                                         {{"alpha", 1.6732632423543772848170429916717},
                                          {"gamma", 1.0507009873554804934193349852946}}));
}

Result<void> import_celu(NodeContext& node) {
  return node.finish(
      node.emitter().emit(Op::kCelu, {float_self(node)}, {{"alpha", node.number("alpha")}}));
}

Result<void> import_softplus(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Operand x = float_self(node);
  const double beta = node.number("beta"), threshold = node.number("threshold");
  const Operand scaled = beta == 1 ? x : emitter.with_number(Op::kMul, x, beta);
  Operand soft = emitter.emit(Op::kSoftplus, {scaled});
  if (beta != 1) soft = emitter.with_number(Op::kDiv, soft, beta);
  return node.finish(
      emitter.emit(Op::kWhere, {emitter.with_number(Op::kGreater, scaled, threshold), x, soft}));
}

Result<void> import_threshold(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  return node.finish(
      emitter.emit(Op::kWhere, {emitter.with_number(Op::kGreater, x, node.number("threshold")), x,
                                emitter.number(node.number("value"), emitter.dtype(x))}));
}

Result<void> import_shrink(NodeContext& node) {
  const bool is_hard = node.operator_name() == "hardshrink";
  const double lambda = node.number("lambd");
  return node.finish(node.emitter().emit(Op::kShrink, {float_self(node)},
                                         {{"lambda", lambda}, {"bias", is_hard ? 0.0 : lambda}}));
}

Result<void> import_prelu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId slope, node.tensor("weight"));
  std::vector<Dim> dims(emitter.shape(x).size(), 1);
  const Dim count = emitter.dims().product(emitter.shape(slope));
  if (dims.size() > 1) dims[1] = count;
  if (dims.size() <= 1 && !count.is(1)) return node.bad("has slopes for channels it lacks");
  return node.finish(emitter.emit(Op::kPrelu, {x, emitter.reshape(slope, dims)}));
}

Result<void> import_glu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  if (emitter.rank(x) == 0) return node.bad("takes a tensor with axes");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Dim whole = emitter.shape(x)[static_cast<size_t>(axis)];
  const auto half = emitter.dims().exact_div(whole, 2);
  if (!half) return node.bad("the axis does not split in two");
  return node.finish(
      emitter.emit(Op::kMul, {emitter.slice(x, axis, 0, *half),
                              emitter.emit(Op::kSigmoid, {emitter.slice(x, axis, *half, whole)})}));
}

namespace {

/// x to a whole power as products; the value is computed as eager computes it.
Operand small_power(Emitter& emitter, const Operand& x, int64_t exponent) {
  Operand product = x;
  for (int64_t i = 1; i < exponent; ++i) product = emitter.emit(Op::kMul, {product, x});
  return product;
}

}  // namespace

Result<void> import_pow(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Value operands[] = {node.argument("self"), node.argument("exponent")};
  TENON_TRY(DType dtype, promoted_type(node, emitter, operands));
  const Operand x = as_operand(node, operands[0], dtype);
  if (!operands[1].get<TensorValue>()) {
    const double power = node.number("exponent");
    if (power == 1 || power == 2 || power == 3) {
      return node.finish(small_power(emitter, x, static_cast<int64_t>(power)));
    }
    if (power == 0.5 && is_float(dtype)) return node.finish(emitter.emit(Op::kSqrt, {x}));
    if (power == -0.5 && is_float(dtype)) return node.finish(emitter.emit(Op::kRsqrt, {x}));
    if (power == -1 && is_float(dtype)) return node.finish(emitter.emit(Op::kReciprocal, {x}));
  }
  return node.finish(emitter.emit(Op::kPow, {x, as_operand(node, operands[1], dtype)}));
}

Result<void> import_div_mode(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Value operands[] = {node.argument("self"), node.argument("other")};
  TENON_TRY(DType dtype, promoted_type(node, emitter, operands));
  const bool has_mode = node.has("rounding_mode");
  const std::string mode = has_mode ? node.text("rounding_mode") : "";
  if (!has_mode && !is_float(dtype)) dtype = DType::kFloat32;
  const Operand a = as_operand(node, operands[0], dtype);
  const Operand b = as_operand(node, operands[1], dtype);
  if (mode == "floor") return node.finish(emitter.emit(Op::kFloorDiv, {a, b}));
  const Operand quotient = emitter.emit(Op::kDiv, {a, b});
  if (mode.empty() || !is_float(dtype)) return node.finish(quotient);
  return node.finish(emitter.emit(Op::kTrunc, {quotient}));
}

Result<void> import_square(NodeContext& node) {
  const Operand x = node.tensor("self");
  return node.finish(node.emitter().emit(Op::kMul, {x, x}));
}

Result<void> import_exp2(NodeContext& node) {
  Emitter& emitter = node.emitter();
  return node.finish(emitter.emit(
      Op::kExp, {emitter.with_number(Op::kMul, float_self(node), 0.69314718055994530942)}));
}

Result<void> import_log2(NodeContext& node) {
  Emitter& emitter = node.emitter();
  return node.finish(emitter.with_number(Op::kMul, emitter.emit(Op::kLog, {float_self(node)}),
                                         1.4426950408889634074));
}

Result<void> import_isinf(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  return node.finish(
      node.emitter().emit(Op::kIsInf, {x}, {{"negative", true}, {"positive", true}}));
}

Result<void> import_isfinite(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  return node.finish(emitter.with_number(Op::kLess, emitter.emit(Op::kAbs, {x}),
                                         std::numeric_limits<double>::infinity()));
}

Result<void> import_nan_to_num(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const DType dtype = emitter.dtype(x);
  if (!is_float(dtype)) return node.finish(x);
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64) {
    return node.unsupported("nan_to_num of 16-bit floats");
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double largest = dtype == DType::kFloat64
                             ? std::numeric_limits<double>::max()
                             : static_cast<double>(std::numeric_limits<float>::max());
  const auto value = [&](std::string_view name, double otherwise) {
    return emitter.number(node.has(name) ? node.number(name) : otherwise, dtype);
  };
  Operand result = emitter.emit(Op::kWhere, {emitter.emit(Op::kIsNan, {x}), value("nan", 0), x});
  result = emitter.emit(Op::kWhere, {emitter.with_number(Op::kEqual, x, kInfinity),
                                     value("posinf", largest), result});
  return node.finish(emitter.emit(Op::kWhere, {emitter.with_number(Op::kEqual, x, -kInfinity),
                                               value("neginf", -largest), result}));
}

Result<void> import_masked_fill(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId mask, node.tensor("mask"));
  return node.finish(emitter.emit(
      Op::kWhere, {mask, as_operand(node, node.argument("value"), emitter.dtype(x)), x}));
}

Result<void> import_where(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Value operands[] = {node.argument("self"), node.argument("other")};
  TENON_TRY(DType dtype, promoted_type(node, emitter, operands));
  TENON_TRY(ValueId condition, node.tensor("condition"));
  return node.finish(emitter.emit(
      Op::kWhere, {emitter.cast(condition, DType::kBool), as_operand(node, operands[0], dtype),
                   as_operand(node, operands[1], dtype)}));
}

/// self + value * a * b, or self + value * a / b.
Result<void> import_addc(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Value operands[] = {node.argument("self"), node.argument("tensor1"),
                            node.argument("tensor2")};
  TENON_TRY(DType dtype, promoted_type(node, emitter, operands));
  const Op op = node.operator_name() == "addcmul" ? Op::kMul : Op::kDiv;
  Operand part = emitter.emit(
      op, {as_operand(node, operands[1], dtype), as_operand(node, operands[2], dtype)});
  const double value = node.number("value");
  if (value != 1) part = emitter.with_number(Op::kMul, part, value);
  return node.finish(emitter.emit(Op::kAdd, {as_operand(node, operands[0], dtype), part}));
}

Result<void> import_lerp(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId start, node.tensor("self"));
  TENON_TRY(ValueId end, node.tensor("end"));
  const Operand weight = as_operand(node, node.argument("weight"), emitter.dtype(start));
  return node.finish(emitter.emit(
      Op::kAdd, {start, emitter.emit(Op::kMul, {weight, emitter.emit(Op::kSub, {end, start})})}));
}

}  // namespace tenon::import::pt2
