#include "schedule/contraction.h"

#include <algorithm>

#include "schedule/strips.h"

namespace tenon::schedule {
namespace {

using ir::BufferId;
using ir::E;
using ir::LoopBuilder;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

class Loops {
 public:
  Loops(ir::LoopScope& scope, const Contraction& contraction, Tile tile)
      : b_(scope.builder()),
        c_(contraction),
        tile_(tile),
        lanes_(scope.target().lanes(4)),
        target_(scope.target()) {}

  void run() {
    const int width = tile_.vectors * lanes_;
    strips_ = make_strips(b_, c_.rows, tile_.rows);
    E panels = (c_.columns + (width - 1)) / width;
    choose_blocks(width);
    E row_blocks = (strips_.count + (strip_block_ - 1)) / strip_block_;
    E panel_blocks = (panels + (panel_block_ - 1)) / panel_block_;
    E task = b_.tasks(c_.batches * row_blocks * panel_blocks);

    strips_.big_count = b_.let("full", strips_.big_count);
    strips_.count = b_.let("strips", strips_.count);
    E row_block = row_blocks.is(1) ? b_.integer(0) : b_.let("rb", task % row_blocks);
    E rest = row_blocks.is(1) ? task : b_.let("rest", task / row_blocks);
    E panel_block = panel_blocks.is(1) ? b_.integer(0) : b_.let("pb", rest % panel_blocks);
    batch_ = c_.batches.is(1) ? b_.integer(0) : b_.let("batch", rest / panel_blocks);
    first_strip_ = b_.let("s0", row_block * strip_block_);
    end_strip_ = b_.let("s1", b_.min(first_strip_ + strip_block_, strips_.count));
    b_address_ = b_.let("b0", c_.b_address(batch_));

    E first = b_.let("p0", panel_block * panel_block_);
    E end = b_.let("p1", b_.min(first + panel_block_, panels));
    E full = b_.let("pf", b_.min(end, c_.columns / width));
    b_.loop("panel", first, full, 1, [&](E panel) { strips_of(panel, tile_.vectors, {}); });
    tail_panel(full, end, width);
  }

 private:
  /// Small weights stay in the second-level cache while blocks of rows pass; large ones pass once,
  /// a panel at a time, and the rows stay.
  void choose_blocks(int width) {
    constexpr int64_t kBlockRows = 96, kTasks = 8;
    int64_t depth = c_.depth.constant().value_or(256);
    for (const Tap& tap : c_.taps) depth *= tap.count.constant().value_or(1);
    const int64_t columns = c_.columns.constant().value_or(256);
    const int64_t strips = strips_.count.constant().value_or(64);
    const int64_t batches = c_.batches.constant().value_or(1);
    const int64_t panels = ceil_div(columns, width);
    if (depth * columns * 4 <= target_.l2_bytes / 2) {
      strip_block_ = std::clamp<int64_t>(kBlockRows / tile_.rows, 1, strips);
      panel_block_ = panels;
      if (ceil_div(strips, strip_block_) * batches < kTasks && strips > kTasks) {
        strip_block_ = std::max<int64_t>(1, strips * batches / kTasks);
      }
      if (ceil_div(strips, strip_block_) * batches < kTasks) {
        const int64_t row_tasks = ceil_div(strips, strip_block_) * batches;
        panel_block_ = std::max<int64_t>(1, ceil_div(panels * row_tasks, kTasks));
      }
    } else {
      strip_block_ = strips;
      panel_block_ = 1;
      stream_weights_ = true;
      if (panels * batches < kTasks)
        strip_block_ = std::max<int64_t>(4, ceil_div(strips * panels, kTasks));
    }
    if (!strips_.count.constant()) strip_block_ = std::max<int64_t>(1, kBlockRows / tile_.rows);
  }

  /// The columns that do not fill a panel.
  void tail_panel(E full, E end, int width) {
    if (auto known = c_.columns.constant()) {
      const int64_t rest = *known % width;
      if (rest == 0) return;
      const int vectors = static_cast<int>(ceil_div(rest, lanes_));
      E mask;
      if (rest % lanes_ != 0) mask = lanes_below(b_.integer(rest % lanes_));
      b_.if_then(full < end, [&] { strips_of(full, vectors, {mask}); });
      return;
    }
    b_.if_then(full < end, [&] {
      std::vector<E> masks;
      E rest = b_.let("rest", c_.columns - full * width);
      for (int v = 0; v < tile_.vectors; ++v)
        masks.push_back(b_.let("mask", lanes_below(rest - v * lanes_)));
      strips_of(full, tile_.vectors, masks);
    });
  }

  E lanes_below(E count) { return b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(count, lanes_); }

  /// All strips of the task over one panel. `masks`: none, one for the last vector, or one per
  /// vector.
  void strips_of(E panel, int vectors, const std::vector<E>& masks) {
    E panel_address = b_.let("pa", b_address_ + panel * c_.panel_step);
    E column = b_.let("column", panel * (tile_.vectors * lanes_));
    if (!strips_.big_count.is(0)) {
      b_.loop("strip", first_strip_, b_.min(end_strip_, strips_.big_count), 1, [&](E strip) {
        tile(strips_.big, vectors, strips_.start(strip), panel_address, column, masks, strip);
      });
    }
    if (strips_.count.constant() && strips_.count.constant() == strips_.big_count.constant())
      return;
    if (strips_.small == 0) return;
    b_.loop("strip", b_.max(first_strip_, strips_.big_count), end_strip_, 1, [&](E strip) {
      tile(strips_.small, vectors, strips_.start_small(strip), panel_address, column, masks, strip);
    });
  }

  E mask_of(const std::vector<E>& masks, int vector, int vectors) const {
    if (masks.empty()) return {};
    if (masks.size() == 1) return vector + 1 == vectors ? masks[0] : E();
    return masks[vector];
  }

  void tile(int rows, int vectors, E first_row, E panel_address, E column,
            const std::vector<E>& masks, E strip) {
    std::vector<ContractionRow> points;
    for (int r = 0; r < rows; ++r) {
      points.push_back(c_.row(batch_, first_row + r));
      points.back().address = b_.let("a", points.back().address);
    }
    std::vector<ir::R> accumulators;
    const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)};
    for (int i = 0; i < rows * vectors; ++i)
      accumulators.push_back(b_.let_register("acc", b_.literal(0, type)));

    std::function<void(size_t, E, E)> reduce = [&](size_t depth, E a_offset, E b_offset) {
      if (depth < c_.taps.size()) {
        const Tap& tap = c_.taps[depth];
        if (tap.count.is(1)) return reduce(depth + 1, a_offset, b_offset);
        b_.loop("tap", b_.integer(0), tap.count, 1, [&](E t) {
          reduce(depth + 1, b_.let("ta", a_offset + t * tap.a_stride),
                 b_.let("tb", b_offset + t * tap.b_stride));
        });
        return;
      }
      b_.loop("k", c_.depth, [&](E k) {
        if (stream_weights_) prefetch(b_offset, k, strip);
        step(points, accumulators, vectors, a_offset, b_offset, k, masks);
      });
    };
    reduce(0, b_.integer(0), panel_address);
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) {
        c_.store(points[r], column + v * lanes_, accumulators[r * vectors + v], lanes_,
                 mask_of(masks, v, vectors));
      }
    }
  }

  /// One element of the reduction. The smaller side of the tile is held in registers, the other
  /// streams.
  void step(const std::vector<ContractionRow>& points, const std::vector<ir::R>& accumulators,
            int vectors, E a_offset, E b_offset, E k, const std::vector<E>& masks) {
    const int rows = static_cast<int>(points.size());
    auto load_a = [&](int r) {
      return b_.let(
          "x", b_.broadcast(b_.load(c_.a, points[r].address + a_offset + k * c_.a_step), lanes_));
    };
    auto load_b = [&](int v) {
      const E mask = c_.padded ? E() : mask_of(masks, v, vectors);
      return b_.let("w", b_.load(c_.b, b_offset + k * c_.b_step + v * lanes_, lanes_, mask));
    };
    auto add = [&](int r, int v, E a, E w) {
      const ir::R& accumulator = accumulators[r * vectors + v];
      b_.assign(accumulator, b_.fma(a, w, accumulator));
    };
    if (rows < vectors) {
      std::vector<E> held;
      for (int r = 0; r < rows; ++r) held.push_back(load_a(r));
      for (int v = 0; v < vectors; ++v) {
        E w = load_b(v);
        for (int r = 0; r < rows; ++r) add(r, v, held[r], w);
      }
    } else {
      std::vector<E> held;
      for (int v = 0; v < vectors; ++v) held.push_back(load_b(v));
      for (int r = 0; r < rows; ++r) {
        E a = load_a(r);
        for (int v = 0; v < vectors; ++v) add(r, v, a, held[v]);
      }
    }
  }

  /// Weights larger than the cache arrive while the panel before is at work: over the first strips,
  /// a line of the next panel for each step of the reduction.
  void prefetch(E b_offset, E k, E strip) {
    constexpr int kStrips = 4;
    E next = b_offset + c_.panel_step + k * c_.b_step;
    E line = b_.floor_mod(strip, b_.integer(kStrips)) * c_.b_step;
    b_.prefetch(c_.b, next + line);
  }

  LoopBuilder& b_;
  const Contraction& c_;
  const Tile tile_;
  const int lanes_;
  const Target& target_;
  Strips strips_;
  int64_t strip_block_ = 1, panel_block_ = 1;
  bool stream_weights_ = false;
  E batch_, first_strip_, end_strip_, b_address_;
};

}  // namespace

Tile choose_tile(const Target& target, std::optional<int64_t> rows,
                 std::optional<int64_t> columns) {
  // Few rows: all of them, and as many vectors as fit; few chains of accumulators would be bound by
  // latency.
  const int registers = target.vector_registers;
  const int lanes = target.lanes(4);
  auto fits = [&](int r, int v) { return r * v + std::min(r, v) + 1 <= registers; };
  const int usual = registers >= 32 ? 4 : 2;  // vectors of the usual tile
  int most_rows = 1;
  while (fits(most_rows + 1, usual)) ++most_rows;
  if (!rows || *rows >= most_rows) {
    const bool narrow = columns && *columns <= lanes && registers >= 32;
    return narrow ? Tile{14, 2} : Tile{most_rows, usual};
  }
  const int r = static_cast<int>(std::max<int64_t>(1, *rows));
  int vectors = usual;
  while (vectors < 8 && fits(r, vectors + 1) && (!columns || vectors * lanes < *columns)) ++vectors;
  return {r, vectors};
}

void contraction_loops(ir::LoopScope& scope, const Contraction& contraction, Tile tile) {
  Loops(scope, contraction, tile).run();
}

}  // namespace tenon::schedule
