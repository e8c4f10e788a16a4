// Convolution by Winograd's algorithm over channels-last memory with a halo that makes all tiles
// whole. A task is a block of tiles by a block of panels of output channels. It transforms the
// block's inputs once; then, panel by panel, it multiplies for every product the block's inputs
// with the filter's panel, and transforms the panel's products into results.
#include "base/winograd.h"

#include <algorithm>
#include <cmath>

#include "schedule/families.h"
#include "schedule/strips.h"
#include "schedule/winograd.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kX = 0, kU = 1, kBias = 2;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Tiles and panels of one task.
struct Blocks {
  int64_t tiles, panels;
};

Blocks choose_blocks(const Target& target, const Winograd& algorithm, int64_t tiles,
                     int64_t channels, int64_t panels, int64_t width) {
  // Transformed inputs and one panel's products stay in the cache; but every block of tiles reads
  // the filter, whose elements must serve the more rows the farther away they come from.
  constexpr int64_t kRows = 24, kTasks = 8;
  const int64_t filter = algorithm.products() * channels * panels * width * 4;
  const int64_t least = filter <= 2 * target.l2_bytes ? kRows : 2 * kRows;
  const int64_t bytes = algorithm.products() * (channels + width) * 4;  // of a tile
  const int64_t best = std::clamp(target.l2_bytes / 2 / bytes, least, 2 * kRows);
  int64_t tile_blocks = std::max<int64_t>(1, (tiles + best / 2) / best);
  // Every block of panels transforms its inputs again, which takes about as long as it takes to
  // multiply them with kAgain channels.
  constexpr int64_t kAgain = 8, kShare = 16;
  const int64_t most_blocks = std::max<int64_t>(2, panels * width / (kAgain * kShare) + 1);
  const int64_t panel_blocks =
      std::clamp<int64_t>(ceil_div(kTasks, tile_blocks), 1, std::min(panels, most_blocks));
  // A filter that stays in the cache may serve fewer rows, so that threads find something to do.
  constexpr int64_t kFewestRows = 8;
  const int64_t wanted = std::min(ceil_div(kTasks, panel_blocks), tiles / kFewestRows);
  if (filter <= target.l2_bytes / 2) tile_blocks = std::max(tile_blocks, wanted);
  return {ceil_div(tiles, tile_blocks), ceil_div(panels, panel_blocks)};
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        algorithm_(winograd(static_cast<int>(scope.attrs().integer("tile")))),
        x_(scope.view(kX)),
        u_(scope.view(kU)),
        lanes_(scope.target().lanes(4)),
        size_(algorithm_.inputs()),
        step_(algorithm_.outputs),
        channels_(scope.operand_type(kX).dims[1].value()),
        row_(ceil_div(channels_, lanes_) * lanes_),
        outputs_(scope.result_type(0).dims[1].value()),
        width_(scope.operand_type(kU).dims[3].value()),
        panels_(scope.operand_type(kU).dims[0].value()),
        height_(scope.result_type(0).dims[2].value()),
        length_(scope.result_type(0).dims[3].value()),
        type_{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)} {}

  void run() {
    const E images = scope_.dim(scope_.result_type(0).dims[0]);
    const int64_t joined = images.constant().value_or(1);  // images whose tiles share blocks
    const int64_t tiles = joined * ceil_div(height_, step_) * ceil_div(length_, step_);
    const Blocks blocks =
        choose_blocks(scope_.target(), algorithm_, tiles, channels_, panels_, width_);
    const int64_t tile_blocks = ceil_div(tiles, blocks.tiles);
    const int64_t panel_blocks = ceil_div(panels_, blocks.panels);
    // Blocks of equal size but for one tile.
    const int64_t larger = tiles % tile_blocks;
    least_ = tiles / tile_blocks;
    most_ = least_ + (larger > 0 ? 1 : 0);
    make_scratch();

    const E task = b_.tasks(images / joined * (tile_blocks * panel_blocks));
    const E tile_block = b_.let("tb", task % tile_blocks);
    const E rest = b_.let("rest", task / tile_blocks);
    first_panel_ = b_.let("p0", rest % panel_blocks * blocks.panels);
    end_panel_ = b_.let("p1", b_.min(first_panel_ + blocks.panels, b_.integer(panels_)));
    image_ = b_.let("image", rest / panel_blocks * joined);
    first_tile_ = b_.let("t0", tile_block * least_ + b_.min(tile_block, b_.integer(larger)));
    count_ = larger == 0 ? b_.integer(least_)
                         : b_.let("count", (tiles + tile_blocks - 1 - tile_block) / tile_blocks);

    // The same number of strips in either size of block.
    const int vectors = static_cast<int>(width_) / lanes_;
    const int64_t strips = ceil_div(most_, most_rows(scope_.target(), vectors));
    const auto small = static_cast<int>(least_ / strips);
    const Strips of_block = {small + 1, small, count_ - strips * small, b_.integer(strips)};

    transform_inputs();
    b_.loop("panel", first_panel_, end_panel_, 1, [&](E panel) {
      b_.loop("e", b_.integer(algorithm_.products()), [&](E e) {
        const E u = b_.let("u", u_.offset + panel * u_.strides[0] + e * u_.strides[1]);
        for_strips(b_, of_block, count_, [&](int rows, E first) {
          multiply(e, b_.let("first", first), u, rows, vectors);
        });
      });
      transform_products(panel);
    });
  }

 private:
  void make_scratch() {
    // Steps from product to product are no powers of two, which would share sets of the caches.
    const int64_t apart = 64 / 4;
    v_step_ = most_ * row_ + apart;
    p_step_ = most_ * width_ + apart;
    auto scratch = [&](const char* name, int64_t extent) {
      return b_.buffer(name, ir::DType::kFloat32, ir::BufferKind::kScratch, b_.integer(extent));
    };
    v_ = scratch("v", algorithm_.products() * v_step_);
    p_ = scratch("p", algorithm_.products() * p_step_);
    y_ = scratch("y", int64_t{step_} * step_ * lanes_);
  }

  struct Position {
    E image, y, x;  // of the tile's first result
  };

  Position position(E tile) {
    const int64_t down = ceil_div(height_, step_), across = ceil_div(length_, step_);
    const E index = b_.let("tile", first_tile_ + tile);
    const E row = b_.let("row", index / across);
    return {b_.let("n", image_ + row / down), b_.let("y", row % down * step_),
            b_.let("x", index % across * step_)};
  }

  E lanes_below(E count) { return b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(count, lanes_); }
  E constant(double value) { return b_.literal(value, type_); }

  /// The sum of coefficients[i] * values[first + 2 i]; the last coefficient is 1.
  E sum(const std::vector<double>& coefficients, const std::vector<E>& values, size_t first) {
    E total = values[first + 2 * (coefficients.size() - 1)];
    for (size_t i = coefficients.size() - 1; i-- > 0;) {
      total = b_.let("s", b_.fma(values[first + 2 * i], constant(coefficients[i]), total));
    }
    return total;
  }

  /// The algorithm's input matrix times the values. The rows of a pair of points differ in the sign
  /// of their odd powers only.
  std::vector<E> input_transform(const std::vector<E>& values) {
    std::vector<double> squares;
    for (double p : algorithm_.pairs) squares.push_back(p * p);
    std::vector<E> result = {sum(polynomial(squares), values, 0)};
    for (size_t i = 0; i < squares.size(); ++i) {
      std::vector<double> others = squares;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      const E even = sum(polynomial(others), values, 2), odd = sum(polynomial(others), values, 1);
      for (double p : {algorithm_.pairs[i], -algorithm_.pairs[i]})
        result.push_back(b_.let("t", b_.fma(odd, constant(p), even)));
    }
    result.push_back(sum(polynomial(squares), values, 1));
    return result;
  }

  /// The algorithm's output matrix times the values.
  std::vector<E> output_transform(const std::vector<E>& values) {
    std::vector<E> sums, differences;
    for (size_t i = 1; i + 1 < values.size(); i += 2) {
      sums.push_back(b_.let("s", values[i] + values[i + 1]));
      differences.push_back(b_.let("d", values[i] - values[i + 1]));
    }
    std::vector<E> result;
    for (int power = 0; power < step_; ++power) {
      const std::vector<E>& terms = power % 2 == 0 ? sums : differences;
      E total;
      if (power == 0) total = values.front();
      if (power + 1 == step_) total = values.back();
      for (size_t i = 0; i < terms.size(); ++i) {
        const double factor = std::pow(algorithm_.pairs[i], power);
        if (!total.builder) {
          total = factor == 1 ? terms[i] : terms[i] * constant(factor);
        } else {
          total = factor == 1 ? total + terms[i] : b_.fma(terms[i], constant(factor), total);
        }
      }
      result.push_back(b_.let("t", total));
    }
    return result;
  }

  /// Columns, then rows of a square of `size` values that `load(i, j)` gives.
  template <class Load, class Store>
  void on_both_sides(std::vector<E> (Loops::*transform)(const std::vector<E>&), Load load,
                     Store store) {
    std::vector<std::vector<E>> columns;
    for (int j = 0; j < size_; ++j) {
      std::vector<E> column;
      for (int i = 0; i < size_; ++i) column.push_back(load(i, j));
      columns.push_back((this->*transform)(column));
    }
    for (size_t i = 0; i < columns[0].size(); ++i) {
      std::vector<E> row;
      for (const std::vector<E>& column : columns) row.push_back(column[i]);
      const std::vector<E> values = (this->*transform)(row);
      for (size_t j = 0; j < values.size(); ++j)
        store(static_cast<int>(i), static_cast<int>(j), values[j]);
    }
  }

  void transform_inputs() {
    const auto& pads = scope_.attrs().integers("pads");
    const E origin =
        b_.let("origin", x_.offset - x_.strides[2] * pads[0] - x_.strides[3] * pads[1]);
    b_.loop("t", count_, [&](E t) {
      const Position at = position(t);
      const E base = b_.let(
          "base", origin + at.image * x_.strides[0] + at.y * x_.strides[2] + at.x * x_.strides[3]);
      const E to = b_.let("to", t * row_);
      b_.loop("c", b_.integer(0), b_.integer(channels_), lanes_, [&](E c) {
        E mask;
        if (channels_ % lanes_ != 0) mask = b_.let("mask", lanes_below(channels_ - c));
        on_both_sides(
            &Loops::input_transform,
            [&](int i, int j) {
              const E from = base + c + (x_.strides[2] * i + x_.strides[3] * j);
              return b_.let("x", b_.load(x_.buffer, from, lanes_, mask));
            },
            [&](int i, int j, E value) {
              b_.store(v_, to + c + (i * size_ + j) * v_step_, value);
            });
      });
    });
  }

  /// Product `e` of `rows` tiles from `first` on with one panel of the filter.
  void multiply(E e, E first, E u, int rows, int vectors) {
    const E a = b_.let("a", e * v_step_ + first * row_);
    std::vector<ir::R> sums;
    for (int i = 0; i < rows * vectors; ++i) sums.push_back(b_.let_register("sum", constant(0)));
    auto step = [&](E k) {
      auto load_a = [&](int r) {
        return b_.let("v", b_.broadcast(b_.load(v_, a + k + r * row_), lanes_));
      };
      auto load_u = [&](int v) {
        return b_.let("w", b_.load(u_.buffer, u + k * width_ + v * lanes_, lanes_));
      };
      // The smaller side of the tile is held, the other one streams.
      std::vector<E> held;
      for (int i = 0; i < std::min(rows, vectors); ++i)
        held.push_back(rows < vectors ? load_a(i) : load_u(i));
      for (int i = 0; i < std::max(rows, vectors); ++i) {
        const E streamed = rows < vectors ? load_u(i) : load_a(i);
        for (size_t h = 0; h < held.size(); ++h) {
          const int other = static_cast<int>(h);
          ir::R& sum = sums[rows < vectors ? other * vectors + i : i * vectors + other];
          b_.assign(sum, b_.fma(streamed, held[h], sum));
        }
      }
    };
    // While this panel is at work the next one, which follows in memory, is fetched: by each strip
    // as large a share as it has of the block's rows.
    constexpr int64_t kUnroll = 4, kFloats = 64 / 4;  // of a line
    const int64_t lines = kUnroll * width_ / kFloats, share = ceil_div(rows * lines, least_);
    const E next = b_.let("next", u + channels_ * width_ + first * lines / most_ * kFloats);
    b_.loop("k", b_.integer(0), b_.integer(channels_ / kUnroll * kUnroll), kUnroll, [&](E k) {
      for (int64_t line = 0; line < share; ++line)
        b_.prefetch(u_.buffer, next + k * width_ + line * kFloats);
      for (int i = 0; i < kUnroll; ++i) step(k + i);
    });
    for (int64_t k = channels_ / kUnroll * kUnroll; k < channels_; ++k) step(b_.integer(k));

    const E to = b_.let("to", e * p_step_ + first * width_);
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v)
        b_.store(p_, to + (r * width_ + v * lanes_), sums[r * vectors + v]);
    }
  }

  void transform_products(E panel) {
    const E first = b_.let("first", panel * width_);
    const E channels = b_.let("channels", b_.min(b_.integer(width_), outputs_ - first));
    b_.loop("t", count_, [&](E t) {
      const Position at = position(t);
      const E down = b_.let("down", b_.min(b_.integer(step_), height_ - at.y));
      const E across = b_.let("across", b_.min(b_.integer(step_), length_ - at.x));
      b_.loop("c", b_.integer(0), channels, lanes_, [&](E c) {
        const E from = b_.let("from", t * width_ + c);
        on_both_sides(
            &Loops::output_transform,
            [&](int i, int j) {
              return b_.let("p", b_.load(p_, from + (i * size_ + j) * p_step_, lanes_));
            },
            [&](int i, int j, E value) {
              b_.store(y_, b_.integer((i * step_ + j) * lanes_), value);
            });
        store_tile(at, first + c, down, across);
      });
    });
  }

  /// Stores what lies inside the result of the tile in `y_`, or the largest of each whole window of
  /// it.
  void store_tile(const Position& at, E channel, E down, E across) {
    E mask, bias;
    if (outputs_ % lanes_ != 0) mask = b_.let("mask", lanes_below(outputs_ - channel));
    if (scope_.has_operand(kBias))
      bias = scope_.load(kBias, std::vector{channel}, {0, lanes_, mask});
    std::vector<int64_t> window = scope_.pooling();
    window.resize(2, 1);
    b_.loop("i", down / window[0], [&](E i) {
      b_.loop("j", across / window[1], [&](E j) {
        E value;
        for (int64_t k = 0; k < window[0] * window[1]; ++k) {
          const E y = i * window[0] + k / window[1], x = j * window[1] + k % window[1];
          const E element = b_.load(y_, (y * step_ + x) * lanes_, lanes_);
          value = value.builder ? b_.max(value, element) : element;
        }
        if (bias.builder) value = value + bias;
        scope_.store(0, std::vector{at.image, channel, at.y / window[0] + i, at.x / window[1] + j},
                     value, {1, lanes_, mask});
      });
    });
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const Winograd algorithm_;
  const ir::View x_, u_;
  const int lanes_;
  const int size_, step_;         // inputs and outputs of a tile along an axis
  const int64_t channels_, row_;  // input channels; rounded up to vectors
  const int64_t outputs_, width_, panels_;
  const int64_t height_, length_;  // of the result
  const ir::VectorType type_;
  int64_t least_ = 0, most_ = 0;     // tiles of a block
  ir::BufferId v_;                   // transformed inputs: product, tile, channel
  ir::BufferId p_;                   // products with one panel: product, tile, channel of the panel
  ir::BufferId y_;                   // one vector of a tile's results
  int64_t v_step_ = 0, p_step_ = 0;  // from product to product
  E image_, first_tile_, count_, first_panel_, end_panel_;
};

bool applies(const Module& module, const Node& node, const Target&) {
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  return node.op == ir::Op::kWinogradConv && result.dtype == ir::DType::kFloat32 &&
         result.dims[2].is_constant() && result.dims[3].is_constant();
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  if (operand != kX) return layout;
  const auto& pads = node.attrs.integers("pads");
  const int64_t step = node.attrs.integer("tile");
  layout.channels_last = true;
  layout.halo.assign(8, 0);
  for (size_t axis = 2; axis < 4; ++axis) {
    const int64_t results = module.value(node.outputs[0]).type.dims[axis].value();
    const int64_t inputs = module.value(node.inputs[kX]).type.dims[axis].value();
    layout.halo[axis] = pads[axis - 2];
    layout.halo[4 + axis] =
        std::max<int64_t>(0, ceil_div(results, step) * step + 2 - pads[axis - 2] - inputs);
  }
  return layout;
}

void loops(LoopScope& scope) { Loops(scope).run(); }

/// Every window must lie in one tile.
bool pools(const Module&, const Node& node, const Target&, std::span<const int64_t> window) {
  return std::ranges::all_of(window,
                             [&](int64_t size) { return node.attrs.integer("tile") % size == 0; });
}

}  // namespace

const Recipe& winograd_recipe() {
  static const Recipe recipe = {"winograd", applies, operand_layout, true, loops, pools};
  return recipe;
}

}  // namespace tenon::schedule
