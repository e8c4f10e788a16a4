// Operators that move elements: to other places, into parts, or beside new ones.
#include <algorithm>
#include <numeric>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

Result<void> import_transpose(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  std::vector<int64_t> perm = axes_from(0, emitter.rank(x));
  std::ranges::reverse(perm);
  if (auto given = node.integers("perm")) perm = *given;
  if (perm.size() != static_cast<size_t>(emitter.rank(x))) {
    return node.bad(fmt::format("an order of {} axes for {} axes", perm.size(), emitter.rank(x)));
  }
  return node.finish(emitter.transpose(x, std::move(perm)));
}

Result<void> import_concat(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Emitter::Operand> parts, node.all_inputs());
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 1), emitter.rank(*parts[0])));
  return node.finish(emitter.concat(parts, axis));
}

namespace {

/// Extents of the parts along an axis of this extent.
Result<std::vector<Dim>> split_sizes(NodeContext& node, Dim extent) {
  ir::Dims& dims = node.emitter().dims();
  if (auto sizes = node.integers("split")) return std::vector<Dim>(sizes->begin(), sizes->end());
  if (node.has_input(1)) return node.dims_input(1, "sizes");
  const auto count = static_cast<int64_t>(node.output_count());
  if (count == 0 || node.integer("num_outputs", count) != count) {
    return node.bad("num_outputs is not the number of outputs");
  }
  const Dim chunk = dims.exact_div(extent, count).value_or(dims.ceil_div(extent, count));
  std::vector<Dim> sizes(static_cast<size_t>(count), chunk);
  sizes.back() = dims.sub(extent, dims.mul(chunk, count - 1));
  return sizes;
}

}  // namespace

Result<void> import_split(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 0), emitter.rank(x)));
  const Dim extent = emitter.shape(x)[static_cast<size_t>(axis)];
  TENON_TRY(std::vector<Dim> sizes, split_sizes(node, extent));
  if (sizes.size() < node.output_count()) return node.bad("more outputs than sizes");
  TENON_TRY_DO(check_extents(node, sizes));
  Dim start = 0;
  for (size_t i = 0; i < node.output_count(); ++i) {
    if (start.is_constant() && sizes[i].is_constant() && extent.is_constant() &&
        sizes[i].value() > extent.value() - start.value()) {
      return node.bad(fmt::format("its parts need more than the {} elements", extent.value()));
    }
    const Dim end = emitter.dims().add(start, sizes[i]);
    TENON_TRY(ValueId part, emitter.slice(x, axis, start, end));
    node.set_output(i, part);
    start = end;
  }
  return {};
}

Result<void> import_slice(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  std::vector<Dim> starts;
  std::vector<Dim> ends;
  std::vector<int64_t> axes;
  std::vector<int64_t> steps;
  if (node.opset() < 10) {
    const auto from = node.integers("starts").value_or(std::vector<int64_t>{});
    const auto to = node.integers("ends").value_or(std::vector<int64_t>{});
    starts.assign(from.begin(), from.end());
    ends.assign(to.begin(), to.end());
    axes = node.integers("axes").value_or(axes_from(0, static_cast<int64_t>(from.size())));
  } else {
    TENON_TRY(starts, node.dims_input(1, "bounds"));
    TENON_TRY(ends, node.dims_input(2, "bounds"));
    axes = axes_from(0, static_cast<int64_t>(starts.size()));
    if (node.has_input(3)) {
      TENON_TRY(axes, node.integers_input(3, "axes"));
    }
    if (node.has_input(4)) {
      TENON_TRY(steps, node.integers_input(4, "steps"));
    }
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return node.bad("has different numbers of starts, ends, axes and steps");
  }
  TENON_TRY(axes, node.axes(std::move(axes), emitter.rank(x)));
  Emitter::Operand result = x;
  for (size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0) return node.bad("a step of 0");
    result = emitter.slice(std::move(result), axes[i], starts[i], ends[i], steps[i]);
  }
  return node.finish(std::move(result));
}

namespace {

/// What a Pad adds before and after each axis.
struct Padding {
  std::vector<Dim> before, after;
};

Result<Padding> padding_of(NodeContext& node, int64_t rank) {
  std::vector<Dim> pads;
  std::vector<int64_t> axes = axes_from(0, rank);
  if (node.opset() < 11) {
    const auto given = node.integers("pads").value_or(std::vector<int64_t>{});
    pads.assign(given.begin(), given.end());
  } else {
    TENON_TRY(pads, node.dims_input(1, "amounts"));
    if (node.has_input(3)) {
      TENON_TRY(std::vector<int64_t> given, node.integers_input(3, "axes"));
      TENON_TRY(axes, node.axes(std::move(given), rank));
    }
  }
  if (pads.size() != 2 * axes.size()) {
    return node.bad(fmt::format("has {} amounts for {} axes", pads.size(), axes.size()));
  }
  Padding padding{std::vector<Dim>(static_cast<size_t>(rank), 0),
                  std::vector<Dim>(static_cast<size_t>(rank), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    padding.before[static_cast<size_t>(axes[i])] = pads[i];
    padding.after[static_cast<size_t>(axes[i])] = pads[axes.size() + i];
  }
  return padding;
}

}  // namespace

Result<void> import_pad(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const DType dtype = emitter.dtype(x);
  TENON_TRY(Padding padding, padding_of(node, emitter.rank(x)));
  const std::string mode = node.text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    return node.bad(fmt::format("mode '{}' is none of Pad", mode));
  }
  const auto is_zero = [](Dim dim) { return dim.is(0); };
  if (std::ranges::all_of(padding.before, is_zero) && std::ranges::all_of(padding.after, is_zero)) {
    return node.finish(x);
  }
  std::vector<Emitter::Operand> operands = {x};
  if (mode == "constant") {
    const double otherwise = node.opset() < 11 ? node.number("value", 0) : 0;
    const ValueId given = node.opset() < 11 ? ValueId() : node.optional_input(2);
    operands.push_back(given ? emitter.reshape(given, {})
                             : Emitter::Operand(emitter.number(otherwise, dtype)));
  } else {
    operands.emplace_back(ValueId());
  }
  return node.finish(
      emitter.emit(Op::kPad, std::move(operands),
                   {{"before", padding.before}, {"after", padding.after}, {"mode", mode}}));
}

Result<void> import_center_crop_pad(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(std::vector<Dim> sizes, node.dims_input(1, "sizes"));
  const int64_t rank = emitter.rank(x);
  TENON_TRY(std::vector<int64_t> axes,
            node.axes(node.integers("axes").value_or(axes_from(0, rank)), rank));
  if (sizes.size() != axes.size()) return node.bad("as many sizes as axes are needed");
  const std::vector<Dim> from = emitter.shape(x);
  ir::Dims& dims = emitter.dims();
  Padding padding{std::vector<Dim>(from.size(), 0), std::vector<Dim>(from.size(), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto at = static_cast<size_t>(axes[i]);
    // An odd element is added at the end, and taken off at the end.
    const Dim more = dims.sub(sizes[i], from[at]);
    const bool is_crop = more.is_constant() && more.value() < 0;
    padding.before[at] =
        is_crop ? dims.sub(0, dims.floor_div(dims.sub(0, more), 2)) : dims.floor_div(more, 2);
    padding.after[at] = dims.sub(more, padding.before[at]);
  }
  return node.finish(emitter.emit(
      Op::kPad, {x},
      {{"before", padding.before}, {"after", padding.after}, {"mode", std::string("constant")}}));
}

Result<void> import_tile(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(std::vector<Dim> repeats, node.dims_input(1, "repeats"));
  TENON_TRY_DO(check_extents(node, repeats));
  if (std::ranges::all_of(repeats, [](Dim dim) { return dim.is(1); })) return node.finish(x);
  return node.finish(emitter.emit(Op::kTile, {x}, {{"repeats", std::move(repeats)}}));
}

Result<void> import_trilu(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  int64_t diagonal = 0;
  if (node.has_input(1)) {
    TENON_TRY(diagonal, node.integer_input(1, "diagonals"));
  }
  constexpr int64_t kFarthest = int64_t{1} << 40;
  return node.finish(node.emitter().emit(Op::kTrilu, {x},
                                         {{"diagonal", std::clamp(diagonal, -kFarthest, kFarthest)},
                                          {"upper", node.flag("upper", true)}}));
}

namespace {

/// The parts of an image tensor's dims, for moving blocks between depth and space.
struct Image {
  Dim batch, channels, height, width;
};

Result<Image> image_of(const NodeContext& node, const std::vector<Dim>& dims) {
  if (dims.size() != 4) return node.bad("takes images: batch, channels, height, width");
  return Image{dims[0], dims[1], dims[2], dims[3]};
}

Result<Dim> divide(NodeContext& node, Dim dim, Dim by) {
  ir::Dims& dims = node.emitter().dims();
  if (const auto quotient = dims.exact_div(dim, by)) return *quotient;
  return node.bad(
      fmt::format("{} does not split into blocks of {}", dims.to_string(dim), dims.to_string(by)));
}

}  // namespace

Result<void> import_depth_to_space(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(Image image, image_of(node, emitter.shape(x)));
  const int64_t size = node.integer("blocksize", 0);
  if (size < 1 || size > 1'000'000) return node.bad("a blocksize that is no size");
  TENON_TRY(Dim depth, divide(node, image.channels, size * size));
  const auto [batch, channels, height, width] = image;
  const bool column_row_depth = node.text("mode", "DCR") == "CRD";
  const Emitter::Operand blocks =
      column_row_depth
          ? emitter.transpose(emitter.reshape(x, {batch, depth, size, size, height, width}),
                              {0, 1, 4, 2, 5, 3})
          : emitter.transpose(emitter.reshape(x, {batch, size, size, depth, height, width}),
                              {0, 3, 4, 1, 5, 2});
  ir::Dims& dims = emitter.dims();
  return node.finish(
      emitter.reshape(blocks, {batch, depth, dims.mul(height, size), dims.mul(width, size)}));
}

Result<void> import_space_to_depth(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(Image image, image_of(node, emitter.shape(x)));
  const int64_t size = node.integer("blocksize", 0);
  if (size < 1 || size > 1'000'000) return node.bad("a blocksize that is no size");
  TENON_TRY(Dim rows, divide(node, image.height, size));
  TENON_TRY(Dim columns, divide(node, image.width, size));
  const bool column_row_depth = node.text("mode", "DCR") == "CRD";
  const Emitter::Operand blocks = emitter.transpose(
      emitter.reshape(x, {image.batch, image.channels, rows, size, columns, size}),
      column_row_depth ? std::vector<int64_t>{0, 1, 3, 5, 2, 4}
                       : std::vector<int64_t>{0, 3, 5, 1, 2, 4});
  return node.finish(emitter.reshape(
      blocks, {image.batch, emitter.dims().mul(image.channels, size * size), rows, columns}));
}

Result<void> import_reverse_sequence(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId lengths, node.input(1));
  const std::vector<Dim> dims = emitter.shape(x);
  TENON_TRY(int64_t time, node.axis(node.integer("time_axis", 0), emitter.rank(x)));
  TENON_TRY(int64_t batch, node.axis(node.integer("batch_axis", 1), emitter.rank(x)));
  if (time == batch) return node.bad("time and batch are one axis");
  const auto along = [&](Emitter::Operand operand, int64_t axis) {
    std::vector<Dim> shape(dims.size(), 1);
    shape[static_cast<size_t>(axis)] = dims[static_cast<size_t>(axis)];
    return emitter.reshape(std::move(operand), std::move(shape));
  };
  const Emitter::Operand step = along(indices(emitter, dims[static_cast<size_t>(time)]), time);
  const Emitter::Operand length = along(emitter.cast(lengths, DType::kInt64), batch);
  const Emitter::Operand last = emitter.with_number(Op::kSub, length, 1);
  const Emitter::Operand from = emitter.emit(
      Op::kWhere,
      {emitter.emit(Op::kLess, {step, length}), emitter.emit(Op::kSub, {last, step}), step});
  return node.finish(
      emitter.emit(Op::kGatherElements, {x, emitter.expand(from, dims)}, {{"axis", time}}));
}

}  // namespace tenon::import::onnx
