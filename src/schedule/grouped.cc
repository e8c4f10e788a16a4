// Convolution in groups of few channels, depthwise for one, over channels-last memory with a halo.
// A tile is some output rows by some output columns of one vector of channels, held in registers:
// each input vector under the tile is loaded once and added into every output that it reaches,
// while the cache lines of the outputs are on their way. Where a depthwise convolution has several
// outputs for each input channel, every lane of it is repeated. More channels of a group take as
// many such steps, by the diagonal method (base/diagonals.h): after each, the sums are turned by
// one lane within their groups. The input of a depthwise convolution may be made in the same kernel
// (schedule/expanded.h).
#include <algorithm>
#include <numeric>
#include <optional>

#include "base/diagonals.h"
#include "schedule/expanded.h"
#include "schedule/families.h"
#include "schedule/grouped.h"

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
  return spatial <= 2 && module.value(node.inputs[kW]).type.rank() == spatial + 3 &&
         module.value(node.outputs[0]).type.dtype == ir::DType::kFloat32;
}

OperandLayout operand_layout(const Module&, const Node& node, int operand) {
  return operand == kX ? windowed_layout(node) : OperandLayout();
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        expansion_(scope.producer(kX) ? std::make_optional<Expansion>(scope) : std::nullopt),
        x_(expansion_ ? expansion_->view() : scope.view(kX)),
        w_(scope.view(kW)),
        lanes_(static_cast<int>(scope.attrs().integer("packed"))),
        spatial_(scope.attrs().integers("strides").size()),
        channels_(scope.result_type(0).dims[1].value()),
        group_(scope.operand_type(kW).dims[1].value()),
        repeats_(static_cast<int>(channels_ / (scope.attrs().integer("groups") * group_))),
        diagonals_(group_, lanes_) {
    const ir::Attrs& attrs = scope.attrs();
    for (size_t axis = 0; axis < spatial_; ++axis) {
      WindowAxis& at = axis + 1 == spatial_ ? axis_x_ : axis_y_;
      at = {scope.operand_type(kW).dims[2 + axis].value(), attrs.integers("strides")[axis],
            attrs.integers("dilations")[axis]};
    }
    rows_ = spatial_ == 2 ? scope.dim(scope.result_type(0).dims[2]) : b_.integer(1);
    columns_ = scope.dim(scope.result_type(0).dims[1 + spatial_]);
    copies_ = group_ > 1 && collides(kMostColumns);
    TileLimits limits = {.rows = kMostTileRows, .columns = 8, .spare = 1};
    // Input that is read again and again must not be held in registers from turn to turn: rows come
    // in a loop. Vectors that lie beside each other are loaded several at a time.
    if (group_ > 1) limits = {.rows = 1, .columns = kMostColumns, .spare = copies_ ? 5 : 3};
    tile_ = choose_tile(scope.target(), axis_y_, axis_x_, rows_.constant(), columns_.constant(),
                        limits);
    if (copies_) {
      copy_ = b_.buffer("window", ir::DType::kFloat32, ir::BufferKind::kScratch,
                        b_.integer(blocks() * span_y() * span_x() * lanes_));
    }
  }

  void run() {
    const E images = scope_.dim(scope_.result_type(0).dims[0]);
    choose_blocks(images.constant().value_or(1));
    const E row_tiles = (rows_ + (tile_.rows - 1)) / tile_.rows;
    const E row_blocks = (row_tiles + (row_block_ - 1)) / row_block_;
    const E panel_blocks = b_.integer((panels() + panel_block_ - 1) / panel_block_);
    const E task = b_.tasks(images * panel_blocks * row_blocks);
    const E panel_block = b_.let("pb", task % panel_blocks);
    const E rest = b_.let("rest", task / panel_blocks);
    const E row_block = b_.let("rb", rest % row_blocks);
    image_ = b_.let("n", rest / row_blocks);
    first_panel_ = b_.let("p0", panel_block * panel_block_);
    end_panel_ = b_.let("p1", b_.min(first_panel_ + panel_block_, b_.integer(panels())));

    const E first = b_.let("y0", row_block * (row_block_ * tile_.rows));
    const E end = b_.let("y1", b_.min(first + row_block_ * tile_.rows, rows_));
    if (expansion_) x_ = expansion_->start(image_, first, panel_block);
    origin_ = b_.let("origin", origin());
    const E full = b_.let("yf", first + (end - first) / tile_.rows * tile_.rows);
    b_.loop("y", first, full, tile_.rows, [&](E y) { row_of_tiles(y, tile_.rows); });
    const std::optional<int64_t> known = rows_.constant();
    if (tile_.rows > 1 && !(known && *known % tile_.rows == 0)) {
      b_.loop("y", full, end, 1, [&](E y) { row_of_tiles(y, 1); });
    }
  }

 private:
  static constexpr int kMostColumns = 10;  // of a tile that is not depthwise

  /// Of the image: what is under the first tap of the first output.
  E origin() const {
    E at = x_.offset + image_ * x_.strides[0];
    for (size_t axis = 0; axis < spatial_; ++axis)
      at = at - x_.strides[2 + axis] * scope_.attrs().integers("pads")[axis];
    return at;
  }

  /// Whether the input under a tile of one row lies in so few sets of the first-level cache that
  /// most of it does not stay there from turn to turn.
  bool collides(int columns) const {
    constexpr int64_t kWays = 8;
    const int64_t way = scope_.target().l1_bytes / kWays;
    const int64_t step = 4 * column_stride().constant().value_or(1);
    const int64_t lines = axis_y_.kernel * static_cast<int64_t>(axis_x_.reads(columns).size());
    return 2 * lines * std::gcd(step, way) > 3 * way * kWays;
  }

  /// Of the input channels of a group.
  int64_t blocks() const { return group_ / diagonals_.block; }

  int64_t span_y() const { return axis_y_.reads(1).rbegin()->first + 1; }
  int64_t span_x() const { return axis_x_.reads(tile_.columns).rbegin()->first + 1; }

  int64_t panels() const { return (channels_ + diagonals_.channels - 1) / diagonals_.channels; }

  /// A thread's share of the tasks is a range of rows, those that it has in the steps before and
  /// after, unless the map has too few: then it is a range of channels. Large filters reread their
  /// input so often that a few channels over many rows stay in the cache; else channels are
  /// innermost.
  void choose_blocks(int64_t images) {
    if (expansion_) {
      panel_block_ = expansion_->plan().panel / lanes_;
      row_block_ = expansion_->plan().row_block / tile_.rows;
      return;
    }
    constexpr int64_t kFewRows = 8, kTasks = 16, kParts = 4, kManyTaps = 25, kFewPanels = 4;
    const int64_t rows = rows_.constant().value_or(64);
    const int64_t tiles = (rows + tile_.rows - 1) / tile_.rows;
    const bool many_taps = axis_y_.kernel * axis_x_.kernel >= kManyTaps;
    panel_block_ = many_taps || tiles * images < kTasks ? std::min(kFewPanels, panels()) : panels();
    row_block_ = std::max<int64_t>(1, tiles * images / kTasks);
    if (many_taps) row_block_ = (tiles + kParts - 1) / kParts;
    if (rows <= kFewRows) row_block_ = tiles;
  }

  /// Tiles of near-equal width where the width is known.
  void row_of_tiles(E y, int rows) {
    if (expansion_) expansion_->make_rows(y, rows);
    if (auto known = columns_.constant()) {
      const int64_t count = (*known + tile_.columns - 1) / tile_.columns;
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
    const E full = columns_ / tile_.columns * tile_.columns;
    b_.loop("x", b_.integer(0), full, tile_.columns,
            [&](E x) { channels(y, x, rows, tile_.columns); });
    b_.loop("x", full, columns_, 1, [&](E x) { channels(y, x, rows, 1); });
  }

  void channels(E y, E x, int rows, int columns) {
    const E base = b_.let("base", origin_ + y * (row_stride() * axis_y_.stride) +
                                      x * (column_stride() * axis_x_.stride));
    const auto panel = [&](E number, int64_t filled) {
      tile(y, x, rows, columns, base, number, filled);
    };
    const int64_t tail = channels_ % diagonals_.channels;
    const E full = b_.integer(channels_ / diagonals_.channels);
    b_.loop("panel", first_panel_, b_.min(end_panel_, full), 1,
            [&](E number) { panel(number, diagonals_.channels); });
    if (tail > 0) b_.if_then(full < end_panel_, [&] { panel(full, tail); });
  }

  E row_stride() const { return spatial_ == 2 ? x_.strides[2] : b_.integer(0); }
  E column_stride() const { return x_.strides[1 + spatial_]; }

  /// The first of so many lanes; none: all.
  E mask_of(int64_t filled, int lanes) {
    if (filled == lanes) return {};
    return b_.ramp(b_.integer(0), 1, lanes) < b_.broadcast(b_.integer(filled), lanes);
  }

  void tile(E y, E x, int rows, int columns, E base, E panel, int64_t filled) {
    const E channel = b_.let("c", panel * diagonals_.channels);
    const E mask = mask_of(filled, lanes_);
    const E first_input = channel / (group_ * repeats_) * group_;
    Window window{x_.buffer,
                  b_.let("x", base + first_input * x_.strides[1]),
                  x_.strides[1] * diagonals_.block,
                  row_stride(),
                  column_stride(),
                  mask_of(filled / repeats_, lanes_ / repeats_)};
    if (copies_) window = copied(window, columns);
    for_results(y, x, rows, columns, channel,
                [&](int, std::span<const E> index) { scope_.expect_store(0, index); });
    std::vector<ir::R> sums;
    const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)};
    for (int i = 0; i < rows * columns; ++i)
      sums.push_back(b_.let_register("sum", b_.literal(0, type)));
    const E weights = w_.offset + panel * w_.strides[0];
    count("turn", diagonals_.block, [&](E turn) {
      count("block", blocks(), [&](E block) {
        const E step = turn * blocks() + block;
        add_step(window, b_.let("xb", window.origin + block * window.block_step),
                 b_.let("w", weights + step * w_.strides[1]), rows, columns, sums);
      });
      if (diagonals_.block == 1) return;
      for (const ir::R& sum : sums) b_.assign(sum, turned(sum));
    });
    store(y, x, rows, columns, sums, channel, mask);
  }

  /// The input under a tile.
  struct Window {
    ir::BufferId buffer;
    E origin, block_step, row_step, column_step, mask;
  };

  /// The same in one piece, which the first-level cache keeps.
  Window copied(const Window& from, int columns) {
    Window to{copy_,
              b_.integer(0),
              b_.integer(span_y() * span_x() * lanes_),
              b_.integer(span_x() * lanes_),
              b_.integer(lanes_),
              {}};
    count("block", blocks(), [&](E block) {
      b_.loop("ky", b_.integer(axis_y_.kernel), [&](E ky) {
        auto row = [&](const Window& w) {
          return b_.let("row",
                        w.origin + block * w.block_step + ky * (w.row_step * axis_y_.dilation));
        };
        const E read = row(from), written = row(to);
        for (const auto& [at, taps] : axis_x_.reads(columns)) {
          b_.store(to.buffer, written + to.column_step * at,
                   b_.load(from.buffer, read + from.column_step * at, lanes_, from.mask));
        }
      });
    });
    return to;
  }

  /// A loop, unless it has one round.
  void count(const char* name, int64_t rounds, const std::function<void(E)>& body) {
    if (rounds == 1) return body(b_.integer(0));
    b_.loop(name, b_.integer(rounds), body);
  }

  /// Every lane as often as there are outputs for it.
  E repeated(E x) {
    if (repeats_ == 1) return x;
    if (repeats_ == lanes_) return b_.broadcast(x, lanes_);
    std::vector<int> lanes;
    for (int lane = 0; lane < lanes_; ++lane) lanes.push_back(lane / repeats_);
    return b_.shuffle(x, x, lanes);
  }

  /// Every lane one down, and the first of each block to its last place.
  E turned(E sum) {
    std::vector<int> lanes;
    for (int lane = 0; lane < lanes_; ++lane) {
      const int block = static_cast<int>(diagonals_.block);
      const bool used = lane < diagonals_.channels;
      lanes.push_back(!used ? lane : lane % block + 1 < block ? lane + 1 : lane + 1 - block);
    }
    return b_.shuffle(sum, sum, lanes);
  }

  /// Adds the products with one weight for each tap and channel.
  void add_step(const Window& window, E origin, E weights, int rows, int columns,
                const std::vector<ir::R>& sums) {
    if (rows == 1) {
      b_.loop("ky", b_.integer(axis_y_.kernel), [&](E ky) {
        input_row(window, origin + ky * (window.row_step * axis_y_.dilation), weights, {{0, ky}},
                  columns, sums);
      });
      return;
    }
    for (const auto& [at, taps] : axis_y_.reads(rows)) {
      std::vector<std::pair<int, E>> uses;
      for (auto [row, tap] : taps) uses.emplace_back(row, b_.integer(tap));
      input_row(window, origin + window.row_step * at, weights, uses, columns, sums);
    }
  }

  /// Adds one input row into the sums of each (output row, filter row) of `uses`.
  void input_row(const Window& window, E address, E weights,
                 const std::vector<std::pair<int, E>>& uses, int columns,
                 const std::vector<ir::R>& sums) {
    const E row = b_.let("row", address);
    auto weight = [&](E ky, E kx) {
      E at = weights + kx * w_.strides[1 + spatial_];
      if (spatial_ == 2) at = at + ky * w_.strides[2];
      return b_.let("w", b_.load(w_.buffer, at, lanes_));
    };
    auto input = [&](E at) {
      return b_.let("x", repeated(b_.load(window.buffer, row + at * window.column_step,
                                          lanes_ / repeats_, window.mask)));
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
    for_results(y, x, rows, columns, c, [&](int i, std::span<const E> index) {
      E value = sums[i];
      if (bias.builder) value = value + bias;
      scope_.store(0, index, value, {1, lanes_, mask});
    });
  }

  /// The results of a tile: each one's number and index.
  void for_results(E y, E x, int rows, int columns, E c,
                   const std::function<void(int, std::span<const E>)>& body) {
    for (int i = 0; i < rows * columns; ++i) {
      std::vector<E> index = {image_, c};
      if (spatial_ == 2) index.push_back(y + i / columns);
      index.push_back(x + i % columns);
      body(i, index);
    }
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  std::optional<Expansion> expansion_;  ///< makes the input
  ir::View x_;
  const ir::View w_;
  const int lanes_;
  const size_t spatial_;
  const int64_t channels_, group_;  ///< of the result, and of the input in a group
  const int repeats_;               ///< outputs for each input channel of a group
  const Diagonals diagonals_;
  WindowAxis axis_y_, axis_x_;
  WindowTile tile_{};
  int64_t row_block_ = 1, panel_block_ = 1;
  ir::BufferId copy_;
  bool copies_ = false;
  E origin_, rows_, columns_, image_, first_panel_, end_panel_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

const Recipe& grouped_recipe() {
  static const Recipe recipe = {"grouped", applies, operand_layout, true,
                                loops,     nullptr, takes_expansion};
  return recipe;
}

}  // namespace tenon::schedule
