// Convolution over channels-last memory with a halo, as a contraction: every tap is a row of A
// further along.
#include <algorithm>

#include "schedule/contraction.h"
#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kX = 0, kW = 1, kBias = 2;

bool applies(const Module& module, const Node& node, const Target&) {
  return node.op == ir::Op::kConv && node.attrs.integer_or("packed", 0) > 0 &&
         module.value(node.outputs[0]).type.dtype == ir::DType::kFloat32;
}

OperandLayout operand_layout(const Module&, const Node& node, int operand) {
  return operand == kX ? windowed_layout(node) : OperandLayout();
}

/// From the input under the first position of a window to that under each; empty without windows.
std::vector<E> window_offsets(ir::LoopBuilder& b, const ir::View& x,
                              std::span<const int64_t> strides, std::span<const int64_t> window) {
  std::vector<E> offsets;
  if (!window.empty()) offsets.push_back(b.integer(0));
  for (size_t axis = 0; axis < window.size(); ++axis) {
    std::vector<E> outer = std::move(offsets);
    offsets.clear();
    for (E offset : outer) {
      for (int64_t i = 0; i < window[axis]; ++i)
        offsets.push_back(offset + x.strides[2 + axis] * (strides[axis] * i));
    }
  }
  return offsets;
}

void loops(LoopScope& scope) {
  ir::LoopBuilder& b = scope.builder();
  const ir::TensorType& result = scope.result_type(0);
  const ir::View x = scope.view(kX), w = scope.view(kW);
  const auto& strides = scope.attrs().integers("strides");
  const auto& pads = scope.attrs().integers("pads");
  const auto& dilations = scope.attrs().integers("dilations");
  const size_t spatial = strides.size();
  const ir::TensorType& filter =
      scope.operand_type(kW);  // [groups, panels, kernel..., channels, width]
  const E channels = scope.dim(filter.dims[spatial + 2]);  // of one group
  const E groups = scope.dim(filter.dims[0]);
  const int64_t width = scope.attrs().integer("packed");

  Contraction c;
  c.a = x.buffer;
  c.b = w.buffer;
  c.columns = scope.dim(result.dims[1]) / groups;
  c.depth = channels;
  c.a_step = x.strides[1];
  c.b_step = b.integer(width);
  c.panel_step = w.strides[1];
  c.padded = true;
  for (size_t axis = 0; axis < spatial; ++axis) {
    c.taps.push_back({scope.dim(filter.dims[2 + axis]), x.strides[2 + axis] * dilations[axis],
                      w.strides[2 + axis]});
  }
  // Taps along the innermost spatial axis that follow each other in memory are more depth.
  while (!c.taps.empty() &&
         (c.taps.back().count.is(1) || c.taps.back().a_stride.id == (c.depth * c.a_step).id)) {
    c.depth = c.depth * c.taps.back().count;
    c.taps.pop_back();
  }

  // Output positions, or windows of them, are rows; axes that memory walks as one are merged from
  // the outermost in.
  std::vector<int64_t> window = scope.pooling();
  c.window = window_offsets(b, x, strides, window);
  window.resize(spatial, 1);
  std::vector<E> sizes, steps;
  for (size_t axis = 0; axis < spatial; ++axis) {
    sizes.push_back(scope.dim(result.dims[2 + axis]) / window[axis]);
    steps.push_back(x.strides[2 + axis] * (strides[axis] * window[axis]));
  }
  bool linear = true;
  for (size_t axis = 0; axis + 1 < spatial; ++axis) {
    linear = linear && (steps[axis + 1] * sizes[axis + 1]).id == steps[axis].id &&
             scope.adjacent(static_cast<int>(axis) + 2, static_cast<int>(axis) + 3);
  }
  E positions = b.integer(1);
  for (E size : sizes) positions = positions * size;
  const E images = scope.dim(result.dims[0]);
  c.rows = images.is(1) ? positions : positions * images;
  c.batches = groups;

  E origin = x.offset;
  for (size_t axis = 0; axis < spatial; ++axis) origin = origin - x.strides[2 + axis] * pads[axis];
  origin = b.let("origin", origin);
  c.b_address = [&](E group) { return w.offset + group * w.strides[0]; };
  c.row = [&](E group, E row) {
    ContractionRow point;
    point.index.assign(2 + spatial, b.integer(0));
    point.index[1] = group * c.columns;
    point.address = origin + group * (channels * c.a_step);
    E rest = row;
    if (!images.is(1)) {
      point.index[0] = rest / positions;
      rest = rest % positions;
      point.address = point.address + point.index[0] * x.strides[0];
    }
    for (size_t axis = spatial; axis-- > 0;) {
      E at = rest;
      if (!linear && axis > 0) {
        at = rest % sizes[axis];
        rest = rest / sizes[axis];
      }
      point.index[2 + axis] = at;
      point.address = point.address + at * steps[axis];
      if (linear) break;
    }
    return point;
  };
  c.store = [&](const ContractionRow& point, E column, E vector, int lanes, E mask) {
    std::vector<E> index = point.index;
    index[1] = index[1] + column;
    if (scope.has_operand(kBias)) {
      const E at[] = {index[1]};
      vector = vector + scope.load(kBias, at, {0, lanes, mask});
    }
    scope.store(0, index, vector, {1, lanes, mask});
  };
  contraction_loops(scope, c,
                    choose_tile(scope.target(), c.rows.constant(), c.columns.constant(),
                                static_cast<int>(width) / scope.target().lanes(4),
                                static_cast<int>(std::max<size_t>(1, c.window.size()))));
}

bool pools(const Module&, const Node& node, const Target& target, std::span<const int64_t> window) {
  int64_t rows = 1;
  for (int64_t size : window) {
    if ((rows *= size) > target.vector_registers) return false;
  }
  const int64_t vectors = node.attrs.integer("packed") / target.lanes(4);
  return fits(target, {static_cast<int>(rows), static_cast<int>(vectors)});
}

}  // namespace

OperandLayout windowed_layout(const Node& node) {
  OperandLayout layout;
  layout.channels_last = true;
  const auto& pads = node.attrs.integers("pads");
  const size_t spatial = pads.size() / 2;
  layout.halo.assign(2 * (spatial + 2), 0);
  for (size_t axis = 0; axis < spatial; ++axis) {
    layout.halo[axis + 2] = pads[axis];
    layout.halo[spatial + 2 + axis + 2] = pads[spatial + axis];
  }
  return layout;
}

const Recipe& conv_recipe() {
  static const Recipe recipe = {"conv", applies, operand_layout, true, loops, pools};
  return recipe;
}

}  // namespace tenon::schedule
