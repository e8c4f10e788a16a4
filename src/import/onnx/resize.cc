// Resize and the older Upsample.
#include <algorithm>
#include <cmath>

#include "import/onnx/operators.h"
#include "import/onnx/resample.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

namespace {

/// The result's dims, and per axis how much larger it is.
struct Target {
  std::vector<Dim> dims;
  std::vector<double> scales;
};

/// floor(size * scale), where a size that is open needs a scale that is a simple fraction.
Result<Dim> scaled(NodeContext& node, Dim size, double scale) {
  constexpr int64_t kMostDenominator = 64;
  ir::Dims& dims = node.emitter().dims();
  if (!(scale > 0) || scale > 0x1p30) return node.bad(fmt::format("a scale of {}", scale));
  if (size.is_constant()) {
    return Dim(static_cast<int64_t>(std::floor(static_cast<double>(size.value()) * scale)));
  }
  for (int64_t denominator = 1; denominator <= kMostDenominator; ++denominator) {
    const double numerator = scale * static_cast<double>(denominator);
    if (numerator == std::floor(numerator)) {
      return dims.floor_div(dims.mul(size, static_cast<int64_t>(numerator)), denominator);
    }
  }
  return node.unsupported(fmt::format("{} of an open size by {}", node.op_type(), scale));
}

Result<double> ratio(NodeContext& node, Dim from, Dim to) {
  if (from == to) return 1;
  if (from.is_constant() && to.is_constant() && from.value() > 0) {
    return static_cast<double>(to.value()) / static_cast<double>(from.value());
  }
  const auto quotient = node.emitter().dims().exact_div(to, from);
  if (quotient && quotient->is_constant()) return static_cast<double>(quotient->value());
  return node.unsupported(fmt::format("{} of open sizes by an open scale", node.op_type()));
}

Result<Target> target_by_scales(NodeContext& node, const std::vector<Dim>& from,
                                const std::vector<double>& scales,
                                const std::vector<int64_t>& axes) {
  if (scales.size() != axes.size()) return node.bad("as many scales as axes are needed");
  Target target{from, std::vector<double>(from.size(), 1)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    TENON_TRY(target.dims[axis], scaled(node, from[axis], scales[i]));
    target.scales[axis] = scales[i];
  }
  return target;
}

/// With a policy that keeps the aspect ratio all axes get one scale: the least or greatest asked.
Result<Target> target_by_sizes(NodeContext& node, const std::vector<Dim>& from,
                               const std::vector<Dim>& sizes, const std::vector<int64_t>& axes) {
  if (sizes.size() != axes.size()) return node.bad("as many sizes as axes are needed");
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  Target target{from, std::vector<double>(from.size(), 1)};
  std::vector<double> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    TENON_TRY(double scale, ratio(node, from[axis], sizes[i]));
    scales.push_back(scale);
  }
  const double common = policy == "not_larger" ? *std::ranges::min_element(scales)
                                               : *std::ranges::max_element(scales);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    target.dims[axis] = sizes[i];
    target.scales[axis] = scales[i];
    if (policy == "stretch") continue;
    if (!from[axis].is_constant())
      return node.unsupported("Resize of open sizes that keeps ratios");
    const double size = common * static_cast<double>(from[axis].value());
    target.dims[axis] = static_cast<int64_t>(std::floor(size + 0.5));
    target.scales[axis] = common;
  }
  return target;
}

Result<std::vector<int64_t>> resized_axes(NodeContext& node, int64_t rank) {
  if (auto given = node.integers("axes")) return node.axes(*std::move(given), rank);
  return axes_from(0, rank);
}

Result<Target> target_of(NodeContext& node, ValueId x) {
  const std::vector<Dim> from = node.emitter().shape(x);
  TENON_TRY(const std::vector<int64_t> axes, resized_axes(node, static_cast<int64_t>(from.size())));
  if (auto scales = node.numbers("scales")) return target_by_scales(node, from, *scales, axes);
  const auto is_given = [&](size_t i) {
    return node.has_input(i) && node.emitter().shape(node.optional_input(i)) != std::vector<Dim>{0};
  };
  const size_t scales_at = node.op_type() == "Upsample" || node.opset() < 11 ? 1 : 2;
  if (is_given(scales_at)) {
    TENON_TRY(std::vector<double> scales, node.numbers_input(scales_at, "scales"));
    return target_by_scales(node, from, scales, axes);
  }
  if (!is_given(3)) return node.bad("has neither scales nor sizes");
  TENON_TRY(std::vector<Dim> sizes, node.dims_input(3, "sizes"));
  return target_by_sizes(node, from, sizes, axes);
}

/// The sizes as numbers, and the crop that the second operand describes: the begins of all axes,
/// then the ends.
Result<void> by_matrices(NodeContext& node, ValueId x, const Target& target, Resampling rule) {
  const std::vector<Dim> from = node.emitter().shape(x);
  const bool crops = rule.coordinates == "tf_crop_and_resize";
  TENON_TRY(const std::vector<int64_t> axes, resized_axes(node, node.emitter().rank(x)));
  std::vector<double> crop;
  if (crops) {
    TENON_TRY(crop, node.numbers_input(1, "crops"));
    if (crop.size() != 2 * axes.size()) return node.bad("a crop needs two numbers per axis");
  }
  std::vector<ResampledAxis> resampled;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto at = static_cast<size_t>(axes[i]);
    if (!crops && from[at] == target.dims[at] && target.scales[at] == 1) continue;
    if (!from[at].is_constant() || !target.dims[at].is_constant()) {
      return node.unsupported("Resize of open sizes with antialias or crops");
    }
    ResampledAxis axis{axes[i], from[at].value(), target.dims[at].value(), target.scales[at]};
    if (crops) {
      axis.begin = crop[i];
      axis.end = crop[i + axes.size()];
    }
    resampled.push_back(axis);
  }
  rule.cubic = node.number("cubic_coeff_a", -0.75);
  rule.exclude_outside = node.flag("exclude_outside", false);
  rule.antialias = node.flag("antialias", false);
  rule.extrapolation = node.number("extrapolation_value", 0);
  return node.finish(resample(node, x, resampled, rule));
}

}  // namespace

Result<void> import_resize(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(Target target, target_of(node, x));
  TENON_TRY_DO(check_extents(node, target.dims));
  // Before version 11 coordinates were not scaled about the centre.
  const bool is_old = node.op_type() == "Upsample" || node.opset() < 11;
  const std::string coordinates =
      is_old ? "asymmetric" : node.text("coordinate_transformation_mode", "half_pixel");
  std::string mode = node.text("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear") mode = "linear";
  if (coordinates == "tf_crop_and_resize" || (node.flag("antialias", false) && mode != "nearest")) {
    return by_matrices(node, x, target, {.mode = mode, .coordinates = coordinates});
  }
  return node.finish(emitter.emit(
      Op::kResize, {x},
      {{"dims", std::move(target.dims)},
       {"scales", std::move(target.scales)},
       {"mode", mode},
       {"coordinates", coordinates},
       {"nearest", is_old ? std::string("floor") : node.text("nearest_mode", "round_prefer_floor")},
       {"cubic", node.number("cubic_coeff_a", -0.75)},
       {"exclude_outside", node.flag("exclude_outside", false)}}));
}

}  // namespace tenon::import::onnx
