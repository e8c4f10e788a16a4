// Quantised operators, as arithmetic on the numbers that the integers stand for, or on the integers
// themselves where the result is defined by them.
#include <tuple>

#include "import/onnx/operators.h"
#include "import/onnx/quantize.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// Scales or zero points, one for all elements, one per position along `axis` or one per block of
/// it, as they broadcast to x.
Emitter::Operand per_axis(NodeContext& node, ValueId parameter, ValueId x) {
  Emitter& emitter = node.emitter();
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<Dim> own = emitter.shape(parameter);
  const int64_t block = node.integer("block_size", 0);
  if (own.empty() || (own.size() == 1 && own[0].is(1) && block == 0)) {
    return emitter.reshape(parameter, {});
  }
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 1), emitter.rank(x)));
  const auto at = static_cast<size_t>(axis);
  if (block == 0) {
    if (own.size() != 1) return node.bad("scales with more than one axis need a block_size");
    std::vector<Dim> broadcast(dims.size(), 1);
    broadcast[at] = own[0];
    return emitter.reshape(parameter, std::move(broadcast));
  }
  if (own.size() != dims.size() || emitter.dims().mul(own[at], block) != dims[at]) {
    return node.unsupported("blocks that do not divide their axis");
  }
  std::vector<Dim> split = own;
  split.insert(split.begin() + axis + 1, 1);
  std::vector<Dim> repeated = split;
  repeated[at + 1] = block;
  return emitter.reshape(emitter.expand(emitter.reshape(parameter, split), repeated), dims);
}

/// Least and greatest value of an integer type of at most 16 bits.
std::pair<double, double> range_of(DType dtype) {
  const int bits = 8 * size_of(dtype);
  const double count = static_cast<double>(int64_t{1} << bits);
  if (is_unsigned(dtype)) return {0, count - 1};
  return {-count / 2, count / 2 - 1};
}

}  // namespace

Emitter::Operand saturate(Emitter& emitter, const Emitter::Operand& x, const Emitter::Operand& zero,
                          DType to) {
  Emitter::Operand shifted = emitter.emit(Op::kRound, {x});
  if (!shifted) return shifted;
  const DType dtype = emitter.dtype(*shifted);
  if (zero && *zero) shifted = emitter.emit(Op::kAdd, {shifted, emitter.cast(zero, dtype)});
  const auto [low, high] = range_of(to);
  return emitter.cast(
      emitter.emit(Op::kClip, {shifted, emitter.number(low, dtype), emitter.number(high, dtype)}),
      to);
}

Emitter::Operand centred(Emitter& emitter, ValueId x, const Emitter::Operand& zero) {
  const Emitter::Operand wide = emitter.cast(x, DType::kInt32);
  if (!zero || !*zero) return zero ? wide : zero;
  return emitter.emit(Op::kSub, {wide, emitter.cast(zero, DType::kInt32)});
}

namespace {

/// A per-row zero point as a column; a scalar stays one.
Emitter::Operand as_column(Emitter& emitter, ValueId zero) {
  if (!zero || emitter.rank(zero) != 1 || emitter.shape(zero)[0].is(1)) {
    return zero ? emitter.reshape(zero, {}) : Emitter::Operand(zero);
  }
  return emitter.reshape(zero, {emitter.shape(zero)[0], 1});
}

/// A per-channel parameter of a filter [channels, ...], or of images [batch, channels, ...].
Emitter::Operand on_axis(Emitter& emitter, ValueId parameter, int64_t axis, int64_t rank) {
  if (!parameter || emitter.rank(parameter) == 0) return parameter;
  if (emitter.shape(parameter)[0].is(1)) return emitter.reshape(parameter, {});
  std::vector<Dim> dims(static_cast<size_t>(rank), 1);
  dims[static_cast<size_t>(axis)] = emitter.shape(parameter)[0];
  return emitter.reshape(parameter, std::move(dims));
}

}  // namespace

Result<void> import_quantize_linear(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId scale, node.input(1));
  const ValueId zero = node.optional_input(2);
  TENON_TRY(DType to, node.dtype("output_dtype", DType::kUInt8));
  if (zero) to = emitter.dtype(zero);
  if (!is_integer(to) || size_of(to) > 2) {
    return node.unsupported(fmt::format("QuantizeLinear to {}", to_string(to)));
  }
  const DType compute = emitter.dtype(scale);
  const Emitter::Operand scaled =
      emitter.emit(Op::kDiv, {emitter.cast(x, compute), per_axis(node, scale, x)});
  return node.finish(
      saturate(emitter, scaled, zero ? per_axis(node, zero, x) : Emitter::Operand(ValueId()), to));
}

Result<void> import_dequantize_linear(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId scale, node.input(1));
  const ValueId zero = node.optional_input(2);
  const Emitter::Operand wide =
      centred(emitter, x, zero ? per_axis(node, zero, x) : Emitter::Operand(ValueId()));
  return node.finish(
      emitter.emit(Op::kMul, {emitter.cast(wide, emitter.dtype(scale)), per_axis(node, scale, x)}));
}

Result<Quantised> quantise_by_range(Emitter& emitter, ValueId x) {
  const std::vector<int64_t> axes = axes_from(0, emitter.rank(x));
  const DType dtype = emitter.dtype(x);
  // The range holds 0.
  const Emitter::Operand high =
      emitter.with_number(Op::kMax, emitter.reduce(x, "max", axes, false), 0);
  const Emitter::Operand low =
      emitter.with_number(Op::kMin, emitter.reduce(x, "min", axes, false), 0);
  const Emitter::Operand width = emitter.emit(Op::kSub, {high, low});
  // Nothing but zeros has a range of 1 instead, as the reference implementation does it.
  const Emitter::Operand range = emitter.emit(
      Op::kWhere, {emitter.with_number(Op::kEqual, width, 0), emitter.number(1, dtype), width});
  Quantised result;
  TENON_TRY(result.scale, emitter.with_number(Op::kDiv, range, 255));
  const Emitter::Operand offset =
      emitter.emit(Op::kDiv, {emitter.emit(Op::kNeg, {low}), result.scale});
  TENON_TRY(result.zero, saturate(emitter, offset, ValueId(), DType::kUInt8));
  TENON_TRY(result.integers, saturate(emitter, emitter.emit(Op::kDiv, {x, result.scale}),
                                      result.zero, DType::kUInt8));
  return result;
}

Result<void> import_dynamic_quantize_linear(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(const Quantised quantised, quantise_by_range(node.emitter(), x));
  node.set_output(1, quantised.scale);
  node.set_output(2, quantised.zero);
  return node.finish(quantised.integers);
}

Result<void> import_matmul_integer(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  TENON_TRY(ValueId left, centred(emitter, a, as_column(emitter, node.optional_input(2))));
  TENON_TRY(ValueId right, centred(emitter, b, node.optional_input(3)));
  return node.finish(matrix_product(emitter, left, right));
}

namespace {

/// The convolution of integers with their zero points taken off, so that padding is zero.
Emitter::Operand integer_convolution(NodeContext& node, ValueId x, ValueId x_zero, ValueId w,
                                     ValueId w_zero, ValueId bias) {
  Emitter& emitter = node.emitter();
  TENON_TRY(
      ValueId input,
      centred(emitter, x, x_zero ? emitter.reshape(x_zero, {}) : Emitter::Operand(ValueId())));
  TENON_TRY(ValueId filter, centred(emitter, w, on_axis(emitter, w_zero, 0, emitter.rank(w))));
  return convolution(node, input, filter, bias);
}

/// Integers times a scale, as integers of `to` with a zero point.
Emitter::Operand requantise(Emitter& emitter, const Emitter::Operand& sums,
                            const Emitter::Operand& scale, ValueId zero) {
  const Emitter::Operand real = emitter.emit(
      Op::kMul, {emitter.cast(sums, DType::kFloat32), emitter.cast(scale, DType::kFloat32)});
  return saturate(emitter, real, emitter.reshape(zero, {}), emitter.dtype(zero));
}

}  // namespace

Result<void> import_conv_integer(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId w, node.input(1));
  return node.finish(
      integer_convolution(node, x, node.optional_input(2), w, node.optional_input(3), ValueId()));
}

Result<void> import_qlinear_conv(NodeContext& node) {
  Emitter& emitter = node.emitter();
  std::vector<ValueId> operands;
  for (size_t i = 0; i < 8; ++i) {
    TENON_TRY(ValueId operand, node.input(i));
    operands.push_back(operand);
  }
  const auto [x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero] =
      std::tie(operands[0], operands[1], operands[2], operands[3], operands[4], operands[5],
               operands[6], operands[7]);
  const Emitter::Operand sums =
      integer_convolution(node, x, x_zero, w, w_zero, node.optional_input(8));
  const Emitter::Operand scale = emitter.emit(
      Op::kDiv, {emitter.emit(Op::kMul, {emitter.reshape(x_scale, {}),
                                         on_axis(emitter, w_scale, 1, emitter.rank(x))}),
                 emitter.reshape(y_scale, {})});
  return node.finish(requantise(emitter, sums, scale, y_zero));
}

Result<void> import_qlinear_matmul(NodeContext& node) {
  Emitter& emitter = node.emitter();
  std::vector<ValueId> operands;
  for (size_t i = 0; i < 8; ++i) {
    TENON_TRY(ValueId operand, node.input(i));
    operands.push_back(operand);
  }
  const auto [a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero] =
      std::tie(operands[0], operands[1], operands[2], operands[3], operands[4], operands[5],
               operands[6], operands[7]);
  TENON_TRY(ValueId left, centred(emitter, a, as_column(emitter, a_zero)));
  TENON_TRY(ValueId right, centred(emitter, b, b_zero));
  const Emitter::Operand scale =
      emitter.emit(Op::kDiv, {emitter.emit(Op::kMul, {as_column(emitter, a_scale), b_scale}),
                              emitter.reshape(y_scale, {})});
  return node.finish(requantise(emitter, matrix_product(emitter, left, right), scale, y_zero));
}

}  // namespace tenon::import::onnx
