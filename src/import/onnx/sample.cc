// Images read at coordinates that are data: GridSample and its grid, regions of images, and
// convolutions whose taps are moved.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/sampling.h"
#include "import/onnx/shared.h"
#include "import/onnx/window.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The sizes of spatial axes, which must be numbers.
Result<std::vector<int64_t>> spatial_sizes(NodeContext& node, const std::vector<Dim>& dims) {
  std::vector<int64_t> sizes;
  for (size_t i = 2; i < dims.size(); ++i) {
    if (!dims[i].is_constant()) {
      return node.unsupported(fmt::format("{} of images of open size", node.op_type()));
    }
    sizes.push_back(dims[i].value());
  }
  return sizes;
}

/// From [-1, 1] over the axis to elements; the ends are centres or edges of the outer elements.
Operand unnormalise(Emitter& emitter, const Operand& grid, int64_t extent, bool align_corners) {
  const Operand shifted = emitter.with_number(Op::kAdd, grid, 1);
  const auto size = static_cast<double>(extent);
  if (align_corners) return emitter.with_number(Op::kMul, shifted, (size - 1) / 2);
  return emitter.with_number(Op::kSub, emitter.with_number(Op::kMul, shifted, size / 2), 0.5);
}

/// The channels as the last axis, or back behind the batch.
Operand channels_last(Emitter& emitter, const Operand& x, int64_t rank) {
  std::vector<int64_t> perm = axes_from(0, rank);
  std::rotate(perm.begin() + 1, perm.begin() + 2, perm.end());
  return emitter.transpose(x, std::move(perm));
}

Operand channels_second(Emitter& emitter, const Operand& x, int64_t rank) {
  std::vector<int64_t> perm = axes_from(0, rank);
  std::rotate(perm.begin() + 1, perm.end() - 1, perm.end());
  return emitter.transpose(x, std::move(perm));
}

}  // namespace

Result<void> import_grid_sample(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId grid, node.input(1));
  const std::vector<Dim> dims = emitter.shape(x);
  std::vector<Dim> places = emitter.shape(grid);
  const auto axes = static_cast<int64_t>(dims.size()) - 2;
  if (axes < 1 || places.size() != dims.size() || !places.back().is(axes)) {
    return node.bad("the grid has no coordinate for each spatial axis");
  }
  places.pop_back();
  TENON_TRY(const std::vector<int64_t> sizes, spatial_sizes(node, dims));
  SamplingRule rule{node.text("mode", "linear"), node.text("padding_mode", "zeros"),
                    node.flag("align_corners", false)};
  if (rule.mode.starts_with("bi")) rule.mode.erase(0, 2);  // of version 16
  std::vector<std::vector<Neighbour>> by_axis;
  for (int64_t axis = 0; axis < axes; ++axis) {
    // The grid has the coordinate of the innermost axis first.
    const int64_t at = axes - 1 - axis;
    const int64_t extent = sizes[static_cast<size_t>(axis)];
    const Operand part = emitter.reshape(emitter.slice(grid, axes + 1, at, at + 1), places);
    const Operand position =
        unnormalise(emitter, emitter.cast(part, emitter.dtype(x)), extent, rule.align_corners);
    by_axis.push_back(neighbours(emitter, position, extent, rule));
  }
  const int64_t rank = emitter.rank(x);
  return node.finish(channels_second(
      emitter, sample(emitter, channels_last(emitter, x, rank), by_axis, places, 1), rank));
}

/// The coordinates in [-1, 1] of each element of an image of `size`, moved by the matrices `theta`.
Result<void> import_affine_grid(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId theta, node.input(0));
  TENON_TRY(std::vector<int64_t> size, node.integers_input(1, "sizes"));
  const auto axes = static_cast<int64_t>(size.size()) - 2;
  if (axes < 1 || emitter.rank(theta) != 3) return node.bad("takes matrices and an image's size");
  const DType dtype = emitter.dtype(theta);
  const bool align_corners = node.flag("align_corners", false);
  const std::vector<Dim> places(size.begin() + 2, size.end());
  TENON_TRY_DO(check_extents(node, places));
  std::vector<Dim> column = places;
  column.emplace_back(1);
  std::vector<Operand> parts;
  for (int64_t axis = axes; axis-- > 0;) {
    const auto extent = static_cast<double>(size[static_cast<size_t>(axis) + 2]);
    std::vector<Dim> along(places.size(), 1);
    along[static_cast<size_t>(axis)] = places[static_cast<size_t>(axis)];
    Operand at = emitter.cast(indices(emitter, places[static_cast<size_t>(axis)]), dtype);
    if (align_corners) {
      at = emitter.with_number(Op::kMul, at, 2 / std::max(extent - 1, 1.0));
      at = emitter.with_number(Op::kSub, at, 1);
    } else {
      at = emitter.with_number(Op::kMul, emitter.with_number(Op::kAdd, at, 0.5), 2 / extent);
      at = emitter.with_number(Op::kSub, at, 1);
    }
    parts.push_back(emitter.reshape(emitter.expand(emitter.reshape(at, along), places), column));
  }
  parts.push_back(emitter.expand(emitter.number(1, dtype), column));
  const Dim count = emitter.dims().product(places);
  const Operand points = emitter.reshape(emitter.concat(parts, axes), {count, axes + 1});
  const Operand moved = emitter.emit(Op::kMatMul, {points, emitter.transpose(theta, {0, 2, 1})});
  std::vector<Dim> result = {emitter.shape(theta)[0]};
  result.insert(result.end(), places.begin(), places.end());
  result.emplace_back(axes);
  return node.finish(emitter.reshape(moved, std::move(result)));
}

namespace {

/// Positions of the samples of every region along one axis: [regions, bins * per_bin].
Operand region_positions(Emitter& emitter, const Operand& first, const Operand& extent,
                         int64_t bins, int64_t per_bin, DType dtype) {
  std::vector<double> shares;
  for (int64_t i = 0; i < bins * per_bin; ++i) {
    shares.push_back((static_cast<double>(i) + 0.5) / static_cast<double>(bins * per_bin));
  }
  const Operand along = emitter.emit(Op::kMul, {extent, emitter.numbers(shares, dtype)});
  return emitter.emit(Op::kAdd, {first, along});
}

/// Neighbours within a region: up to one element outside the edge's value is taken, beyond it 0.
std::vector<Neighbour> region_neighbours(Emitter& emitter, const Operand& position,
                                         int64_t extent) {
  std::vector<Neighbour> result =
      neighbours(emitter, position, extent, {"linear", "border", false});
  if (!position) return result;
  const Operand counts = emitter.cast(
      emitter.emit(Op::kAnd,
                   {emitter.with_number(Op::kGreaterEqual, position, -1),
                    emitter.with_number(Op::kLessEqual, position, static_cast<double>(extent))}),
      emitter.dtype(*position));
  for (Neighbour& one : result) one.weight = emitter.emit(Op::kMul, {one.weight, counts});
  return result;
}

}  // namespace

Result<void> import_roi_align(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId regions, node.input(1));
  TENON_TRY(ValueId images, node.input(2));
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() != 4 || emitter.rank(regions) != 2) return node.bad("takes images and boxes");
  TENON_TRY(const std::vector<int64_t> sizes, spatial_sizes(node, dims));
  const int64_t rows = node.integer("output_height", 1);
  const int64_t columns = node.integer("output_width", 1);
  const int64_t per_bin = node.integer("sampling_ratio", 0);
  const std::string mode = node.text("mode", "avg");
  if (per_bin < 1) return node.unsupported("RoiAlign with as many samples as a region is large");
  if (mode != "avg") return node.unsupported(fmt::format("RoiAlign with mode {}", mode));
  if (rows < 1 || columns < 1) return node.bad("its result has no rows or columns");
  const DType dtype = emitter.dtype(x);
  const bool half_pixel = node.opset() >= 16 &&
                          node.text("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  const Operand scaled = emitter.with_number(
      Op::kSub, emitter.with_number(Op::kMul, regions, node.number("spatial_scale", 1)),
      half_pixel ? 0.5 : 0);
  const auto edge = [&](int64_t i) { return emitter.slice(scaled, 1, i, i + 1); };
  const auto along = [&](int64_t first, int64_t bins) {
    Operand extent = emitter.emit(Op::kSub, {edge(first + 2), edge(first)});
    if (!half_pixel) extent = emitter.with_number(Op::kMax, extent, 1);
    return region_positions(emitter, edge(first), extent, bins, per_bin, dtype);
  };
  const Dim count = emitter.shape(regions)[0];
  const Dim all_rows = rows * per_bin;
  const Dim all_columns = columns * per_bin;
  const std::vector<Dim> places = {count, all_rows, all_columns};
  const Operand row = emitter.reshape(along(1, rows), {count, all_rows, 1});
  const Operand column = emitter.reshape(along(0, columns), {count, 1, all_columns});
  const Operand image = emitter.reshape(emitter.cast(images, DType::kInt64), {count, 1, 1});
  const Operand samples = sample(emitter, channels_last(emitter, x, 4),
                                 {{{image, ValueId()}},
                                  region_neighbours(emitter, row, sizes[0]),
                                  region_neighbours(emitter, column, sizes[1])},
                                 places, 0);
  const Operand in_bins =
      emitter.reshape(samples, {count, rows, per_bin, columns, per_bin, dims[1]});
  return node.finish(channels_second(emitter, emitter.reduce(in_bins, "mean", {2, 4}, false), 4));
}

/// A convolution each of whose taps reads at its usual place plus an offset, weighted by a mask.
Result<void> import_deform_conv(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId w, node.input(1));
  TENON_TRY(ValueId offsets, node.input(2));
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<Dim> filter = emitter.shape(w);
  const std::vector<Dim> moved = emitter.shape(offsets);
  if (dims.size() != 4 || filter.size() != 4 || moved.size() != 4) {
    return node.unsupported("DeformConv of other than images");
  }
  TENON_TRY(const std::vector<int64_t> sizes, spatial_sizes(node, dims));
  TENON_TRY(const std::vector<int64_t> kernel, spatial_sizes(node, filter));
  TENON_TRY(Window window, window_of(node, x, kernel));
  if (!dims[1].is_constant() || !filter[0].is_constant()) {
    return node.unsupported("DeformConv of open channels");
  }
  const int64_t channels = dims[1].value();
  const int64_t results = filter[0].value();
  const int64_t groups = node.integer("group", 1);
  const int64_t parts = node.integer("offset_group", 1);
  const int64_t taps = kernel[0] * kernel[1];
  if (groups < 1 || parts < 1 || channels % groups != 0 || channels % parts != 0 ||
      results % groups != 0 || !filter[1].is(channels / groups) || !moved[1].is(2 * parts * taps)) {
    return node.bad("its groups do not fit channels, filter or offsets");
  }
  const DType dtype = emitter.dtype(x);
  const Dim rows = moved[2];
  const Dim columns = moved[3];
  const Dim images = emitter.dims().mul(dims[0], parts);
  const std::vector<Dim> places = {images, taps, rows, columns};
  const Operand split = emitter.reshape(offsets, {images, taps, 2, rows, columns});
  const auto positions = [&](int64_t axis) {
    const auto at = static_cast<size_t>(axis);
    std::vector<double> origins;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t step = axis == 0 ? tap / kernel[1] : tap % kernel[1];
      origins.push_back(static_cast<double>(step * window.dilations[at] - window.pads[at]));
    }
    std::vector<Dim> along(4, 1);
    along[at + 2] = axis == 0 ? rows : columns;
    const Operand steps =
        emitter.with_number(Op::kMul, emitter.cast(indices(emitter, along[at + 2]), dtype),
                            static_cast<double>(window.strides[at]));
    const Operand usual =
        emitter.emit(Op::kAdd, {emitter.reshape(steps, along),
                                emitter.reshape(emitter.numbers(origins, dtype), {1, taps, 1, 1})});
    return emitter.emit(Op::kAdd,
                        {emitter.reshape(emitter.slice(split, 2, axis, axis + 1), places), usual});
  };
  const Operand by_part = emitter.reshape(x, {images, channels / parts, dims[2], dims[3]});
  Operand samples = sample(emitter, channels_last(emitter, by_part, 4),
                           {neighbours(emitter, positions(0), sizes[0], {}),
                            neighbours(emitter, positions(1), sizes[1], {})},
                           places, 1);
  if (node.has_input(4)) {
    samples = emitter.emit(Op::kMul, {samples, emitter.reshape(node.optional_input(4),
                                                               {images, taps, rows, columns, 1})});
  }
  const Dim count = emitter.dims().mul(rows, columns);
  const Operand matrix = emitter.reshape(emitter.transpose(samples, {0, 4, 1, 2, 3}),
                                         {dims[0], groups, channels / groups * taps, count});
  const Operand filters = emitter.reshape(w, {groups, results / groups, channels / groups * taps});
  Operand sum = emitter.reshape(emitter.emit(Op::kMatMul, {filters, matrix}),
                                {dims[0], results, rows, columns});
  if (node.has_input(3)) {
    sum = emitter.emit(Op::kAdd, {sum, emitter.reshape(node.optional_input(3), {results, 1, 1})});
  }
  return node.finish(std::move(sum));
}

}  // namespace tenon::import::onnx
