#include "import/onnx/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

constexpr int64_t kLargestMatrix = int64_t{1} << 24;

/// Where position i of the result lies in the operand.
Result<double> coordinate(NodeContext& node, const Resampling& rule, const ResampledAxis& axis,
                          int64_t i) {
  const auto from = static_cast<double>(axis.from);
  const auto to = static_cast<double>(axis.to);
  const auto at = static_cast<double>(i);
  const double centre = (at + 0.5) / axis.scale - 0.5;
  const std::string& name = rule.coordinates;
  if (name == "half_pixel") return centre;
  if (name == "pytorch_half_pixel") return to > 1 ? centre : 0;
  if (name == "asymmetric") return at / axis.scale;
  if (name == "align_corners") return to > 1 ? at * (from - 1) / (to - 1) : 0;
  if (name == "half_pixel_symmetric") {
    return from / 2 * (1 - to / (axis.scale * from)) + centre;
  }
  if (name == "tf_crop_and_resize") {
    if (to <= 1) return 0.5 * (axis.begin + axis.end) * (from - 1);
    return axis.begin * (from - 1) + at * (axis.end - axis.begin) * (from - 1) / (to - 1);
  }
  return node.bad(fmt::format("coordinates '{}' are unknown", name));
}

/// The weight of an element at this distance, in units of the filter.
double weight_at(const Resampling& rule, double distance) {
  const double d = std::abs(distance);
  if (rule.mode == "linear") return std::max(0.0, 1 - d);
  const double a = rule.cubic;
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/// How much each element counts at coordinate x.
std::vector<double> weights_at(const Resampling& rule, const ResampledAxis& axis, double x) {
  std::vector<double> weights(static_cast<size_t>(axis.from));
  const auto add = [&](double position, double weight) {
    const double inside = std::clamp(position, 0.0, static_cast<double>(axis.from - 1));
    if (rule.exclude_outside && inside != position) return;
    weights[static_cast<size_t>(inside)] += weight;
  };
  if (rule.mode == "nearest") {
    add(std::ceil(x - 0.5), 1);
    return weights;
  }
  const double shrink = rule.antialias ? std::min(axis.scale, 1.0) : 1;
  const double reach = (rule.mode == "linear" ? 1 : 2) / shrink;
  for (double p = std::floor(x - reach); p <= std::ceil(x + reach); ++p) {
    add(p, weight_at(rule, (p - x) * shrink));
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (rule.exclude_outside || rule.antialias) {
    for (double& weight : weights) weight /= total;
  }
  return weights;
}

/// The matrix [from, to] of one axis; marks results whose coordinate is outside.
Result<std::vector<double>> matrix_of(NodeContext& node, const Resampling& rule,
                                      const ResampledAxis& axis, std::vector<double>& outside) {
  std::vector<double> matrix(static_cast<size_t>(axis.from * axis.to));
  for (int64_t i = 0; i < axis.to; ++i) {
    TENON_TRY(const double x, coordinate(node, rule, axis, i));
    outside.push_back(x < 0 || x > static_cast<double>(axis.from - 1) ? 1 : 0);
    const std::vector<double> weights = weights_at(rule, axis, x);
    for (int64_t p = 0; p < axis.from; ++p) {
      matrix[static_cast<size_t>(p * axis.to + i)] = weights[static_cast<size_t>(p)];
    }
  }
  return matrix;
}

}  // namespace

Emitter::Operand resample(NodeContext& node, ValueId x, const std::vector<ResampledAxis>& axes,
                          const Resampling& rule) {
  Emitter& emitter = node.emitter();
  const int64_t rank = emitter.rank(x);
  const DType dtype = emitter.dtype(x);
  const DType compute = is_float(dtype) ? dtype : DType::kFloat64;
  Emitter::Operand result = emitter.cast(x, compute);
  Emitter::Operand is_outside = emitter.number(0, DType::kBool);
  for (const ResampledAxis& axis : axes) {
    if (axis.from < 1 || axis.from > kLargestMatrix / std::max<int64_t>(axis.to, 1)) {
      return node.unsupported(
          fmt::format("{} of {} elements to {} by a matrix", node.op_type(), axis.from, axis.to));
    }
    std::vector<double> outside;
    TENON_TRY(const std::vector<double> elements, matrix_of(node, rule, axis, outside));
    const Emitter::Operand matrix =
        emitter.reshape(emitter.numbers(elements, compute), {axis.from, axis.to});
    std::vector<int64_t> perm = axes_from(0, rank);
    std::swap(perm[static_cast<size_t>(axis.axis)], perm.back());
    const Emitter::Operand last = emitter.transpose(result, perm);
    result = emitter.transpose(emitter.emit(Op::kMatMul, {last, matrix}), perm);
    std::vector<Dim> along(static_cast<size_t>(rank), 1);
    along[static_cast<size_t>(axis.axis)] = axis.to;
    is_outside = emitter.emit(
        Op::kOr, {is_outside, emitter.reshape(emitter.numbers(outside, DType::kBool), along)});
  }
  if (rule.coordinates == "tf_crop_and_resize") {
    result =
        emitter.emit(Op::kWhere, {is_outside, emitter.number(rule.extrapolation, compute), result});
  }
  return emitter.cast(result, dtype);
}

}  // namespace tenon::import::onnx
