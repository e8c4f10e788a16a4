// Transposed convolution over channels-last memory as a contraction. Results whose index has the
// same remainder by the stride are reached by the same taps: with tap t = first + j * stride,
// result q * stride + remainder gets input q + shift - j. So every remainder is a convolution of
// stride 1 with its share of the taps, whose results are stored a stride apart.
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

/// Upwards, also for a < 0.
int64_t ceil_div(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

bool applies(const Module& module, const Node& node, const Target&) {
  return node.op == ir::Op::kConvTranspose && node.attrs.integer_or("packed", 0) > 0 &&
         module.value(node.outputs[0]).type.dtype == ir::DType::kFloat32;
}

/// The size of a result is that of the input times the stride plus this.
int64_t more_than_scaled(const ir::Attrs& attrs, size_t axis, int64_t kernel) {
  const auto& pads = attrs.integers("pads");
  return kernel + attrs.integers("output_padding")[axis] - attrs.integers("strides")[axis] -
         pads[axis] - pads[pads.size() / 2 + axis];
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  if (operand != kX) return layout;
  layout.channels_last = true;
  const auto& strides = node.attrs.integers("strides");
  const auto& pads = node.attrs.integers("pads");
  const size_t spatial = strides.size();
  layout.halo.assign(2 * (spatial + 2), 0);
  for (size_t axis = 0; axis < spatial; ++axis) {
    const int64_t stride = strides[axis];
    const int64_t kernel = module.value(node.inputs[kW]).type.dims[1 + axis].value();
    const int64_t steps = ceil_div(more_than_scaled(node.attrs, axis, kernel), stride);
    layout.halo[2 + axis] = std::max<int64_t>(0, kernel / stride - 1 - pads[axis] / stride);
    layout.halo[spatial + 4 + axis] =
        std::max<int64_t>(0, steps + (stride - 1 + pads[axis]) / stride);
  }
  return layout;
}

void loops(LoopScope& scope) {
  ir::LoopBuilder& b = scope.builder();
  const ir::View x = scope.view(kX), w = scope.view(kW);
  const ir::TensorType& result = scope.result_type(0);
  // [groups, kernel..., panels, channels, width]
  const ir::TensorType& filter = scope.operand_type(kW);
  const auto& strides = scope.attrs().integers("strides");
  const auto& pads = scope.attrs().integers("pads");
  const size_t spatial = strides.size(), rank = filter.rank();
  const E groups = scope.dim(filter.dims[0]), channels = scope.dim(filter.dims[rank - 2]);
  const int64_t width = scope.attrs().integer("packed");

  Contraction c;
  c.a = x.buffer;
  c.b = w.buffer;
  c.columns = scope.dim(result.dims[1]) / groups;
  c.depth = channels;
  c.a_step = x.strides[1];
  c.b_step = w.strides[rank - 2];
  c.panel_step = w.strides[rank - 3];
  c.padded = true;
  c.batches = groups;
  const E images = scope.dim(result.dims[0]);
  c.rows = images;
  std::vector<E> sizes;     // results of one remainder along each axis, the last one maybe beyond
  std::vector<bool> whole;  // whether it never is
  for (size_t axis = 0; axis < spatial; ++axis) {
    const int64_t stride = strides[axis], kernel = filter.dims[1 + axis].value();
    const int64_t more = more_than_scaled(scope.attrs(), axis, kernel);
    c.taps.push_back(
        {b.integer(kernel / stride), -x.strides[2 + axis], w.strides[1 + axis] * stride});
    sizes.push_back(scope.dim(scope.operand_type(kX).dims[2 + axis]) + ceil_div(more, stride));
    whole.push_back(more % stride == 0);
    c.rows = c.rows * sizes[axis];
    c.batches = c.batches * stride;
  }

  /// The group and the remainders that a batch stands for.
  struct Batch {
    E group;
    std::vector<E> remainders;
  };
  auto split = [&](E batch) {
    Batch parts{batch, std::vector<E>(spatial)};
    for (size_t axis = spatial; axis-- > 0;) {
      parts.remainders[axis] = b.let("r", parts.group % strides[axis]);
      parts.group = b.let("g", parts.group / strides[axis]);
    }
    return parts;
  };
  c.b_address = [&](E batch) {
    const Batch parts = split(batch);
    E address = w.offset + parts.group * w.strides[0];
    for (size_t axis = 0; axis < spatial; ++axis) {
      const E first = (parts.remainders[axis] + pads[axis]) % strides[axis];
      address = address + first * w.strides[1 + axis];
    }
    return address;
  };
  c.row = [&](E batch, E row) {
    const Batch parts = split(batch);
    ContractionRow point;
    point.index.resize(2 + spatial);
    point.index[1] = parts.group * c.columns;
    point.address = x.offset + parts.group * (channels * c.a_step);
    E rest = row;
    for (size_t axis = spatial; axis-- > 0;) {
      const bool last = axis == 0 && images.is(1);
      const E at = last ? rest : b.let("q", rest % sizes[axis]);
      if (!last) rest = b.let("q", rest / sizes[axis]);
      const E shift = (parts.remainders[axis] + pads[axis]) / strides[axis];
      point.address = point.address + (at + shift) * x.strides[2 + axis];
      point.index[2 + axis] = b.let("o", at * strides[axis] + parts.remainders[axis]);
    }
    point.index[0] = images.is(1) ? b.integer(0) : rest;
    point.address = point.address + point.index[0] * x.strides[0];
    return point;
  };
  c.store = [&](const ContractionRow& point, E column, E vector, int lanes, E mask) {
    std::vector<E> index = point.index;
    index[1] = index[1] + column;
    auto store = [&] {
      E value = vector;
      if (scope.has_operand(kBias)) {
        const E at[] = {index[1]};
        value = value + scope.load(kBias, at, {0, lanes, mask});
      }
      scope.store(0, index, value, {1, lanes, mask});
    };
    E inside = b.integer(1, ir::DType::kBool);
    for (size_t axis = 0; axis < spatial; ++axis) {
      if (!whole[axis]) inside = inside & (index[2 + axis] < scope.dim(result.dims[2 + axis]));
    }
    if (inside.is(1)) return store();
    b.if_then(inside, store);
  };
  Tile tile = choose_tile(scope.target(), c.rows.constant(), c.columns.constant());
  tile.vectors = static_cast<int>(width) / scope.target().lanes(4);
  contraction_loops(scope, c, tile);
}

}  // namespace

const Recipe& conv_transpose_recipe() {
  static const Recipe recipe = {"conv_transpose", applies, operand_layout, true, loops};
  return recipe;
}

}  // namespace tenon::schedule
