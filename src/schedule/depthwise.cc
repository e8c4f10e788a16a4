// Depthwise convolution over channels-last memory with a halo. A tile is some output rows by some
// output columns of one vector of channels, held in registers: each input vector under the tile is
// loaded once and added into every output that it reaches.
#include <algorithm>
#include <cmath>
#include <map>

#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kX = 0, kW = 1, kBias = 2;

bool applies(const Module& module, const Node& node, const Target&) {
  if (node.op != ir::Op::kConv || node.attrs.integer_or("packed", 0) == 0) return false;
  const size_t spatial = node.attrs.integers("strides").size();
  return spatial <= 2 && module.value(node.inputs[kW]).type.rank() == spatial + 1 &&
         module.value(node.outputs[0]).type.dtype == ir::DType::kFloat32;
}

OperandLayout operand_layout(const Module&, const Node& node, int operand) {
  return operand == kX ? windowed_layout(node) : OperandLayout();
}

/// One spatial axis of the convolution; an axis that is not there has kernel 1.
struct Axis {
  int64_t kernel = 1, stride = 1, dilation = 1;

  /// Input positions under `outputs` neighbouring outputs, each with the taps (output, tap) that
  /// read it.
  std::map<int64_t, std::vector<std::pair<int, int>>> reads(int outputs) const {
    std::map<int64_t, std::vector<std::pair<int, int>>> found;
    for (int o = 0; o < outputs; ++o) {
      for (int tap = 0; tap < kernel; ++tap)
        found[o * stride + tap * dilation].emplace_back(o, tap);
    }
    return found;
  }
};

struct Shape {
  int rows, columns;
};

/// The tile with the fewest loads per multiplication whose accumulators, the weights of one input
/// row and one input vector fit the registers; a tile of one row and no held weights where none
/// does. Tiles of less than eight accumulators would wait for their sums.
Shape choose_shape(const Target& target, const Axis& y, const Axis& x, std::optional<int64_t> rows,
                   std::optional<int64_t> columns) {
  constexpr int kMostColumns = 8, kChains = 8;
  Shape best{1, std::min<int>(kMostColumns, static_cast<int>(columns.value_or(kMostColumns)))};
  double least = INFINITY;
  for (int r = 1; r <= std::min<int64_t>(2, rows.value_or(2)); ++r) {
    size_t weights = 0, row_loads = 0;
    for (const auto& [at, taps] : y.reads(r)) {
      weights = std::max(weights, taps.size() * x.kernel);
      row_loads += taps.size() * x.kernel;
    }
    for (int c = 1; c <= std::min<int64_t>(kMostColumns, columns.value_or(kMostColumns)); ++c) {
      if (static_cast<int>(weights) + r * c + 1 > target.vector_registers) continue;
      const double loads = static_cast<double>(row_loads + y.reads(r).size() * x.reads(c).size());
      const double idle = std::max(1.0, static_cast<double>(kChains) / (r * c));
      double cost = idle * std::max(1.0, loads / static_cast<double>(r * c * y.kernel * x.kernel));
      cost += loads / static_cast<double>(r * c * y.kernel * x.kernel);
      if (rows) {
        const int64_t computed = (*rows + r - 1) / r * r;
        cost *= static_cast<double>(computed) / static_cast<double>(*rows);
      }
      if (cost < least) {
        least = cost;
        best = {r, c};
      }
    }
  }
  return best;
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        x_(scope.view(kX)),
        w_(scope.view(kW)),
        lanes_(scope.target().lanes(4)),
        spatial_(scope.attrs().integers("strides").size()),
        channels_(scope.result_type(0).dims[1].value()) {
    const ir::Attrs& attrs = scope.attrs();
    origin_ = x_.offset;
    for (size_t axis = 0; axis < spatial_; ++axis) {
      Axis& at = axis + 1 == spatial_ ? axis_x_ : axis_y_;
      at = {scope.operand_type(kW).dims[axis].value(), attrs.integers("strides")[axis],
            attrs.integers("dilations")[axis]};
      origin_ = origin_ - x_.strides[2 + axis] * attrs.integers("pads")[axis];
    }
    rows_ = spatial_ == 2 ? scope.dim(scope.result_type(0).dims[2]) : b_.integer(1);
    columns_ = scope.dim(scope.result_type(0).dims[1 + spatial_]);
    shape_ = choose_shape(scope.target(), axis_y_, axis_x_, rows_.constant(), columns_.constant());
  }

  void run() {
    const E images = scope_.dim(scope_.result_type(0).dims[0]);
    choose_blocks(images.constant().value_or(1));
    const E row_tiles = (rows_ + (shape_.rows - 1)) / shape_.rows;
    const E row_blocks = (row_tiles + (row_block_ - 1)) / row_block_;
    const E channel_blocks = b_.integer((channels_ + channel_block_ - 1) / channel_block_);
    const E task = b_.tasks(images * channel_blocks * row_blocks);
    const E row_block = b_.let("rb", task % row_blocks);
    const E rest = b_.let("rest", task / row_blocks);
    const E channel_block = b_.let("cb", rest % channel_blocks);
    image_ = b_.let("n", rest / channel_blocks);
    origin_ = b_.let("origin", origin_ + image_ * x_.strides[0]);
    first_channel_ = b_.let("c0", channel_block * channel_block_);
    end_channel_ = b_.let("c1", b_.min(first_channel_ + channel_block_, b_.integer(channels_)));

    const E first = b_.let("y0", row_block * (row_block_ * shape_.rows));
    const E end = b_.let("y1", b_.min(first + row_block_ * shape_.rows, rows_));
    const E full = b_.let("yf", first + (end - first) / shape_.rows * shape_.rows);
    b_.loop("y", first, full, shape_.rows, [&](E y) { row_of_tiles(y, shape_.rows); });
    const std::optional<int64_t> known = rows_.constant();
    if (shape_.rows > 1 && !(known && *known % shape_.rows == 0)) {
      b_.loop("y", full, end, 1, [&](E y) { row_of_tiles(y, 1); });
    }
  }

 private:
  /// Large filters reread their input so often that a few channels over the whole map stay in the
  /// cache; else channels are innermost and tasks are blocks of rows, unless these are too few.
  void choose_blocks(int64_t images) {
    constexpr int64_t kTasks = 8, kManyTaps = 25, kVectors = 4;
    const int64_t tiles = (rows_.constant().value_or(64) + shape_.rows - 1) / shape_.rows;
    const int64_t vectors = (channels_ + lanes_ - 1) / lanes_;
    int64_t block = axis_y_.kernel * axis_x_.kernel >= kManyTaps ? kVectors : vectors;
    if (block > kVectors && tiles * images < kTasks) block = kVectors;
    channel_block_ = std::min(block, vectors) * lanes_;
    const int64_t groups = images * ((vectors + block - 1) / block);
    row_block_ = std::clamp<int64_t>(tiles * groups / (2 * kTasks), 1, tiles);
  }

  /// Tiles of near-equal width where the width is known.
  void row_of_tiles(E y, int rows) {
    if (auto known = columns_.constant()) {
      const int64_t count = (*known + shape_.columns - 1) / shape_.columns;
      const int64_t small = *known / count, split = *known % count * (small + 1);
      const E middle = b_.integer(split);
      if (split > 0) {
        b_.loop("x", b_.integer(0), middle, small + 1,
                [&](E x) { channels(y, x, rows, static_cast<int>(small) + 1); });
      }
      if (split < *known) {
        b_.loop("x", middle, columns_, small,
                [&](E x) { channels(y, x, rows, static_cast<int>(small)); });
      }
      return;
    }
    const E full = columns_ / shape_.columns * shape_.columns;
    b_.loop("x", b_.integer(0), full, shape_.columns,
            [&](E x) { channels(y, x, rows, shape_.columns); });
    b_.loop("x", full, columns_, 1, [&](E x) { channels(y, x, rows, 1); });
  }

  void channels(E y, E x, int rows, int columns) {
    const E base = b_.let("base", origin_ + y * (row_stride() * axis_y_.stride) +
                                      x * (column_stride() * axis_x_.stride));
    const int64_t tail = channels_ % lanes_;
    const E full = b_.min(end_channel_, b_.integer(channels_ - tail));
    b_.loop("c", first_channel_, full, lanes_,
            [&](E c) { tile(y, x, rows, columns, base, c, {}); });
    if (tail == 0) return;
    const E mask = b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(b_.integer(tail), lanes_);
    b_.if_then(b_.integer(channels_ - tail) < end_channel_,
               [&] { tile(y, x, rows, columns, base, b_.integer(channels_ - tail), mask); });
  }

  E row_stride() const { return spatial_ == 2 ? x_.strides[2] : b_.integer(0); }
  E column_stride() const { return x_.strides[1 + spatial_]; }

  void tile(E y, E x, int rows, int columns, E base, E c, E mask) {
    const E lane = base + c * x_.strides[1];
    std::vector<ir::R> sums;
    const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)};
    for (int i = 0; i < rows * columns; ++i)
      sums.push_back(b_.let_register("sum", b_.literal(0, type)));
    if (rows == 1) {
      b_.loop("ky", b_.integer(axis_y_.kernel), [&](E ky) {
        input_row(lane + ky * (row_stride() * axis_y_.dilation), {{0, ky}}, columns, sums, c, mask);
      });
    } else {
      for (const auto& [at, taps] : axis_y_.reads(rows)) {
        std::vector<std::pair<int, E>> uses;
        for (auto [row, tap] : taps) uses.emplace_back(row, b_.integer(tap));
        input_row(lane + row_stride() * at, uses, columns, sums, c, mask);
      }
    }
    store(y, x, rows, columns, sums, c, mask);
  }

  /// Adds one input row into the sums of each (output row, filter row) of `uses`.
  void input_row(E address, const std::vector<std::pair<int, E>>& uses, int columns,
                 const std::vector<ir::R>& sums, E c, E mask) {
    const E row = b_.let("row", address);
    auto weight = [&](E ky, E kx) {
      E at = w_.offset + kx * w_.strides[spatial_ - 1] + c * w_.strides[spatial_];
      if (spatial_ == 2) at = at + ky * w_.strides[0];
      return b_.let("w", b_.load(w_.buffer, at, lanes_, mask));
    };
    auto input = [&](E at) {
      return b_.let("x", b_.load(x_.buffer, row + at * column_stride(), lanes_, mask));
    };
    auto add = [&](int r, int column, E a, E w) {
      const ir::R& sum = sums[r * columns + column];
      b_.assign(sum, b_.fma(a, w, sum));
    };
    if (static_cast<int>(sums.size() + uses.size() * axis_x_.kernel) + 1 >
        scope_.target().vector_registers) {
      b_.loop("kx", b_.integer(axis_x_.kernel), [&](E kx) {
        for (auto [r, ky] : uses) {
          const E w = weight(ky, kx);
          for (int column = 0; column < columns; ++column)
            add(r, column, input(kx * axis_x_.dilation + column * axis_x_.stride), w);
        }
      });
      return;
    }
    std::vector<std::vector<E>> held;
    for (auto [r, ky] : uses) {
      held.emplace_back();
      for (int64_t kx = 0; kx < axis_x_.kernel; ++kx)
        held.back().push_back(weight(ky, b_.integer(kx)));
    }
    for (const auto& [at, taps] : axis_x_.reads(columns)) {
      const E a = input(b_.integer(at));
      for (size_t use = 0; use < uses.size(); ++use) {
        for (auto [column, kx] : taps) add(uses[use].first, column, a, held[use][kx]);
      }
    }
  }

  void store(E y, E x, int rows, int columns, const std::vector<ir::R>& sums, E c, E mask) {
    E bias;
    if (scope_.has_operand(kBias)) bias = scope_.load(kBias, std::vector{c}, {0, lanes_, mask});
    for (int r = 0; r < rows; ++r) {
      for (int column = 0; column < columns; ++column) {
        std::vector<E> index = {image_, c};
        if (spatial_ == 2) index.push_back(y + r);
        index.push_back(x + column);
        E value = sums[r * columns + column];
        if (bias.builder) value = value + bias;
        scope_.store(0, index, value, {1, lanes_, mask});
      }
    }
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const ir::View x_, w_;
  const int lanes_;
  const size_t spatial_;
  const int64_t channels_;
  Axis axis_y_, axis_x_;
  Shape shape_{};
  int64_t row_block_ = 1, channel_block_ = 1;
  E origin_, rows_, columns_, image_, first_channel_, end_channel_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

const Recipe& depthwise_recipe() {
  static const Recipe recipe = {"depthwise", applies, operand_layout, true, loops};
  return recipe;
}

}  // namespace tenon::schedule
