#include "import/onnx/sampling.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using Operand = Emitter::Operand;

namespace {

/// Keys' coefficient of cubic weights.
constexpr double kCubic = -0.75;

Operand clamp(Emitter& emitter, const Operand& x, int64_t extent) {
  return emitter.with_number(Op::kMin, emitter.with_number(Op::kMax, x, 0),
                             static_cast<double>(extent - 1));
}

/// x mirrored at both ends until it lies between them.
Operand reflect(Emitter& emitter, const Operand& x, int64_t extent, bool align_corners) {
  const double low = align_corners ? 0 : -0.5;
  const double span = align_corners ? static_cast<double>(extent - 1) : static_cast<double>(extent);
  if (span == 0) return emitter.with_number(Op::kMul, x, 0);
  const Operand distance = emitter.emit(Op::kAbs, {emitter.with_number(Op::kSub, x, low)});
  const Operand flips = emitter.emit(Op::kFloor, {emitter.with_number(Op::kDiv, distance, span)});
  const Operand extra =
      emitter.emit(Op::kSub, {distance, emitter.with_number(Op::kMul, flips, span)});
  const Operand is_even =
      emitter.with_number(Op::kEqual, emitter.with_number(Op::kMod, flips, 2), 0);
  const Operand from_end = emitter.with_number(Op::kAdd, emitter.emit(Op::kNeg, {extra}), span);
  return emitter.with_number(Op::kAdd, emitter.emit(Op::kWhere, {is_even, extra, from_end}), low);
}

/// The weight of an element at this distance.
Operand cubic_weight(Emitter& emitter, const Operand& distance) {
  const auto times = [&](const Operand& a, const Operand& b) {
    return emitter.emit(Op::kMul, {a, b});
  };
  const auto plus = [&](const Operand& a, double b) { return emitter.with_number(Op::kAdd, a, b); };
  const auto scaled = [&](double a) { return emitter.with_number(Op::kMul, distance, a); };
  const Operand near =
      plus(times(times(plus(scaled(kCubic + 2), -(kCubic + 3)), distance), distance), 1);
  const Operand far =
      plus(times(plus(times(plus(scaled(kCubic), -5 * kCubic), distance), 8 * kCubic), distance),
           -4 * kCubic);
  return emitter.emit(Op::kWhere, {emitter.with_number(Op::kLess, distance, 1), near, far});
}

/// An element at a whole position with its weight, by the rule for what lies outside.
Neighbour place(Emitter& emitter, const Operand& at, const Operand& weight, int64_t extent,
                const SamplingRule& rule) {
  const bool is_zero = rule.padding == "zeros";
  const Operand mirrored =
      rule.padding == "reflection" ? reflect(emitter, at, extent, rule.align_corners) : at;
  const Operand inside = clamp(emitter, mirrored, extent);
  Neighbour result{emitter.cast(inside, DType::kInt64), weight};
  if (is_zero && at) {
    const Operand counts = emitter.cast(emitter.emit(Op::kEqual, {at, inside}), emitter.dtype(*at));
    result.weight = weight && !*weight ? counts : emitter.emit(Op::kMul, {weight, counts});
  }
  return result;
}

}  // namespace

std::vector<Neighbour> neighbours(Emitter& emitter, const Operand& position, int64_t extent,
                                  const SamplingRule& rule) {
  Operand x = position;
  if (rule.mode != "cubic" && rule.padding != "zeros") {
    if (rule.padding == "reflection") x = reflect(emitter, x, extent, rule.align_corners);
    x = clamp(emitter, x, extent);
  }
  if (rule.mode == "nearest") {
    return {place(emitter, emitter.emit(Op::kRound, {x}), ir::ValueId(), extent, rule)};
  }
  const Operand base = emitter.emit(Op::kFloor, {x});
  const int first = rule.mode == "cubic" ? -1 : 0;
  const int last = rule.mode == "cubic" ? 2 : 1;
  std::vector<Neighbour> result;
  for (int k = first; k <= last; ++k) {
    const Operand at = emitter.with_number(Op::kAdd, base, k);
    const Operand distance = emitter.emit(Op::kAbs, {emitter.emit(Op::kSub, {x, at})});
    const Operand weight =
        rule.mode == "cubic" ? cubic_weight(emitter, distance)
                             : emitter.with_number(Op::kAdd, emitter.emit(Op::kNeg, {distance}), 1);
    result.push_back(place(emitter, at, weight, extent, rule));
  }
  return result;
}

Operand sample(Emitter& emitter, const Operand& images,
               const std::vector<std::vector<Neighbour>>& axes, const std::vector<Dim>& places,
               int64_t batch_dims) {
  std::vector<Dim> column = places;
  column.emplace_back(1);
  const auto last = static_cast<int64_t>(places.size());
  size_t combinations = 1;
  for (const std::vector<Neighbour>& axis : axes) combinations *= axis.size();
  Operand sum = ir::ValueId();
  for (size_t combination = 0; combination < combinations; ++combination) {
    std::vector<Operand> index;
    Operand weight = ir::ValueId();
    size_t rest = combination;
    for (const std::vector<Neighbour>& axis : axes) {
      const Neighbour& one = axis[rest % axis.size()];
      rest /= axis.size();
      index.push_back(emitter.reshape(emitter.expand(one.index, places), column));
      if (one.weight && !*one.weight) continue;
      weight = weight && !*weight ? one.weight : emitter.emit(Op::kMul, {weight, one.weight});
    }
    Operand part = emitter.emit(Op::kGatherNd, {images, emitter.concat(index, last)},
                                {{"batch_dims", batch_dims}});
    if (!weight || *weight) {
      part =
          emitter.emit(Op::kMul, {part, emitter.reshape(emitter.expand(weight, places), column)});
    }
    sum = sum && !*sum ? part : emitter.emit(Op::kAdd, {sum, part});
  }
  return sum;
}

}  // namespace tenon::import::onnx
