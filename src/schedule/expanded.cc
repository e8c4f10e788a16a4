#include "schedule/expanded.h"

#include <algorithm>

#include "schedule/contraction.h"
#include "schedule/families.h"
#include "schedule/strips.h"

namespace tenon::schedule {
namespace {

using ir::E;

constexpr int kX = 0, kW = 1, kBias = 2;

/// A convolution as a plan sees it.
struct Layer {
  const ir::Attrs& attrs;
  const ir::TensorType &input, &filter, &result;
};

Layer layer_of(const ir::Module& module, const ir::Node& node) {
  return {node.attrs, module.value(node.inputs[kX]).type, module.value(node.inputs[kW]).type,
          module.value(node.outputs[0]).type};
}

Layer layer_of(const ir::LoopScope& scope) {
  return {scope.attrs(), scope.operand_type(kX), scope.operand_type(kW), scope.result_type(0)};
}

bool is_plain(const ir::TensorType& type) {
  return type.dtype == ir::DType::kFloat32 &&
         std::ranges::all_of(type.dims, [](ir::Dim dim) { return dim.is_constant(); });
}

bool all_are(const std::vector<int64_t>& list, int64_t number) {
  return std::ranges::count(list, number) == std::ssize(list);
}

WindowAxis axis_of(const Layer& layer, size_t axis) {
  return {layer.filter.dims[2 + axis].value(), layer.attrs.integers("strides")[axis],
          layer.attrs.integers("dilations")[axis]};
}

/// Positions of the input under `outputs` neighbouring outputs.
int64_t span(const WindowAxis& axis, int64_t outputs) {
  return (outputs - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
}

bool is_depthwise(const Layer& layer) {
  return layer.attrs.integers("strides").size() == 2 && layer.filter.dims[1].is(1) &&
         layer.input.dims[1] == layer.result.dims[1] && is_plain(layer.input) &&
         is_plain(layer.result) &&
         std::ranges::all_of(layer.attrs.integers("pads"), [](int64_t pad) { return pad >= 0; });
}

bool is_pointwise(const Layer& layer) {
  const ir::Attrs& attrs = layer.attrs;
  return layer.filter.dims.size() == 6 && layer.filter.dims[0].is(1) &&
         layer.filter.dims[2].is(1) && layer.filter.dims[3].is(1) &&
         all_are(attrs.integers("strides"), 1) && all_are(attrs.integers("pads"), 0) &&
         is_plain(layer.input) && is_plain(layer.result);
}

/// The plan, if computing the map in parts pays: half of it, or more, would be pushed out of the
/// second-level cache by the rest and by results before it is read, a panel of the filter stays in
/// the first-level one, and few rows are computed twice, those under the outputs of two tasks.
/// Scratch memory may take half of the second-level cache; tasks are enough for a few threads where
/// that allows it.
std::optional<ExpansionPlan> plan_of(const Layer& depthwise, const Layer& pointwise,
                                     const Target& target) {
  constexpr int64_t kTasks = 8, kMostTwice = 10;  // one row of so many
  const auto size = [](const ir::TensorType& type, int axis) { return type.dims[axis].value(); };
  const std::vector<int64_t>& pads = depthwise.attrs.integers("pads");
  const int64_t images = size(depthwise.result, 0), channels = size(depthwise.input, 1);
  const int64_t height = size(depthwise.input, 2), width = size(depthwise.input, 3);
  const int64_t bytes =
      4 * images * channels * (height + pads[0] + pads[2]) * (width + pads[1] + pads[3]);
  const int64_t panel = pointwise.attrs.integer("packed");
  const int64_t result_bytes =
      4 * images * channels * size(depthwise.result, 2) * size(depthwise.result, 3);
  if (bytes + result_bytes / 2 <= target.l2_bytes ||
      4 * size(pointwise.input, 1) * panel > target.l1_bytes / 2)
    return std::nullopt;

  const WindowAxis y = axis_of(depthwise, 0), x = axis_of(depthwise, 1);
  const int64_t columns = std::max(span(x, size(depthwise.result, 3)), pads[1] + width);
  const int64_t outputs = size(depthwise.result, 2), panels = (channels + panel - 1) / panel;
  std::optional<ExpansionPlan> plan;
  const int64_t even = images % 2 + 1;  // blocks of all images: two threads share them evenly
  for (int64_t blocks = even; blocks <= outputs; blocks += even) {
    const int64_t twice = (blocks - 1) * std::max<int64_t>(0, span(y, 1) - y.stride);
    if (twice * kMostTwice > height) break;
    const int64_t tiles = (outputs + blocks * kMostTileRows - 1) / (blocks * kMostTileRows);
    const int64_t block = tiles * kMostTileRows, rows = span(y, block);
    if (4 * rows * columns * panel > target.l2_bytes / 2) continue;
    plan = {block, panel, rows, columns};
    if (images * blocks * panels >= kTasks) break;
  }
  return plan;
}

}  // namespace

bool takes_expansion(const ir::Module& module, const ir::Node& node, const ir::Node& producer,
                     const Target& target) {
  if (find_recipe(module, producer, target) != &conv_recipe()) return false;
  const Layer depthwise = layer_of(module, node), pointwise = layer_of(module, producer);
  return is_depthwise(depthwise) && is_pointwise(pointwise) &&
         plan_of(depthwise, pointwise, target).has_value();
}

Expansion::Expansion(ir::LoopScope& scope)
    : scope_(scope),
      producer_(*scope.producer(kX)),
      b_(scope.builder()),
      plan_(plan_of(layer_of(scope), layer_of(producer_), scope.target()).value()),
      x_(producer_.view(kX)),
      w_(producer_.view(kW)),
      lanes_(scope.target().lanes(4)),
      height_(scope.operand_type(kX).dims[2].value()),
      width_(scope.operand_type(kX).dims[3].value()),
      pads_(scope.attrs().integers("pads")),
      axis_y_(axis_of(layer_of(scope), 0)),
      scratch_(b_.buffer("expanded", ir::DType::kFloat32, ir::BufferKind::kScratch,
                         b_.integer(plan_.rows * plan_.columns * plan_.panel))) {}

ir::View Expansion::view() const {
  return {scratch_,
          b_.integer(0),
          {b_.integer(0), b_.integer(1), b_.integer(plan_.columns * plan_.panel),
           b_.integer(plan_.panel)}};
}

ir::View Expansion::start(E image, E first, E panel) {
  image_ = image;
  first_ = first;
  panel_ = panel;
  top_ = b_.let("top", first * axis_y_.stride - pads_[0]);
  ir::View made = view();
  made.offset =
      b_.let("made", pads_[1] * plan_.panel - top_ * made.strides[2] - panel * plan_.panel);
  return made;
}

void Expansion::make_rows(E y, int rows) {
  const int64_t row_size = plan_.columns * plan_.panel, filled = (pads_[1] + width_) * plan_.panel;
  const int64_t shared = std::max<int64_t>(0, span(axis_y_, 1) - axis_y_.stride);
  const E read = b_.let("read", y * axis_y_.stride - pads_[0]);
  const E begin = read + b_.select(first_ < y, b_.integer(shared), b_.integer(0));
  b_.loop("row", begin, read + span(axis_y_, rows), 1, [&](E row) {
    const E at = b_.let("at", (row - top_) * row_size);
    const auto make = [&] {
      zero(at, pads_[1] * plan_.panel);
      zero(at + filled, row_size - filled);
      map_row(row, b_.let("written", at + pads_[1] * plan_.panel));
    };
    b_.if_then((0 <= row) & (row < height_), make, [&] { zero(at, row_size); });
  });
}

void Expansion::zero(E begin, int64_t length) {
  if (length == 0) return;
  const E nothing = b_.literal(0, {ir::DType::kFloat32, static_cast<uint16_t>(lanes_)});
  b_.loop("i", begin, begin + length, lanes_, [&](E i) { b_.store(scratch_, i, nothing); });
}

void Expansion::map_row(E y, E written) {
  const int64_t channels = scope_.operand_type(kX).dims[1].value();
  const int vectors = static_cast<int>(plan_.panel) / lanes_;
  const int most = choose_tile(scope_.target(), width_, channels, vectors).rows;
  const auto strips = [&](const Vectors& of_panel) {
    for_strips(b_, make_strips(b_, b_.integer(width_), most), b_.integer(width_),
               [&](int columns, E x) { strip(columns, of_panel, y, x, written); });
  };
  const int64_t rest = channels % plan_.panel;
  if (rest == 0) return strips({vectors, {}});
  Vectors last{static_cast<int>((rest + lanes_ - 1) / lanes_), {}};
  if (rest % lanes_ != 0) {
    last.last_mask =
        b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(b_.integer(rest % lanes_), lanes_);
  }
  b_.if_then(
      panel_ < channels / plan_.panel, [&] { strips({vectors, {}}); }, [&] { strips(last); });
}

void Expansion::strip(int columns, const Vectors& vectors, E y, E x, E written) {
  const E read =
      b_.let("read", x_.offset + image_ * x_.strides[0] + y * x_.strides[2] + x * x_.strides[3]);
  const E weights = b_.let("weights", w_.offset + panel_ * w_.strides[1]);
  const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)};
  std::vector<ir::R> sums;
  for (int i = 0; i < columns * vectors.count; ++i)
    sums.push_back(b_.let_register("sum", b_.literal(0, type)));
  const auto step = [&](E k) {
    add_outer_product(
        b_, columns, vectors.count, sums,
        [&](int column) {
          const E at = read + k * x_.strides[1] + x_.strides[3] * column;
          return b_.load(x_.buffer, at);
        },
        [&](int v) { return b_.load(w_.buffer, weights + k * plan_.panel + v * lanes_, lanes_); });
  };
  const int64_t depth = producer_.operand_type(kX).dims[1].value();
  const int64_t at_once = steps_at_once(std::ssize(sums), depth), whole = depth / at_once * at_once;
  b_.loop("k", b_.integer(0), b_.integer(whole), at_once, [&](E k) {
    for (int64_t i = 0; i < at_once; ++i) step(k + i);
  });
  for (int64_t k = whole; k < depth; ++k) step(b_.integer(k));
  for (int v = 0; v < vectors.count; ++v) {
    const E channel = panel_ * plan_.panel + v * lanes_;
    const ir::Lanes lanes{1, lanes_, v + 1 == vectors.count ? vectors.last_mask : E()};
    E bias;
    if (producer_.has_operand(kBias)) {
      bias =
          b_.let("bias", producer_.load(kBias, std::vector{channel}, {0, lanes.count, lanes.mask}));
    }
    for (int column = 0; column < columns; ++column) {
      E value = sums[column * vectors.count + v];
      if (bias.builder) value = value + bias;
      const E index[] = {image_, channel, y, x + column};
      b_.store(scratch_, written + x * plan_.panel + (column * plan_.panel + v * lanes_),
               producer_.finished(0, index, value, lanes));
    }
  }
}

}  // namespace tenon::schedule
