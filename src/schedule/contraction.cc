#include "schedule/contraction.h"

#include <algorithm>
#include <optional>

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
        width_(tile.vectors * lanes_),
        target_(scope.target()) {
    const bool windowed = !c_.window.empty();
    if (!windowed) c_.window = {b_.integer(0)};
    // The elements of A that the steps of one window share stay in registers.
    strip_rows_ = windowed && is_short() ? 1 : tile.rows / static_cast<int>(c_.window.size());
  }

  void run() {
    strips_ = make_strips(b_, c_.rows, strip_rows_);
    E panels = (c_.columns + (width_ - 1)) / width_;
    choose_blocks();
    E row_blocks = (strips_.count + (strip_block_ - 1)) / strip_block_;
    E panel_blocks = (panels + (panel_block_ - 1)) / panel_block_;
    E task = b_.tasks(c_.batches * row_blocks * panel_blocks);

    strips_.big_count = b_.let("full", strips_.big_count);
    strips_.count = b_.let("strips", strips_.count);
    const auto next_digit = [&](const char* name, E count, E& rest) {
      if (count.is(1)) return b_.integer(0);
      const E digit = b_.let(name, rest % count);
      rest = b_.let("rest", rest / count);
      return digit;
    };
    E rest = task, row_block, panel_block;
    if (rows_stay_) row_block = next_digit("rb", row_blocks, rest);
    panel_block = next_digit("pb", panel_blocks, rest);
    if (!rows_stay_) row_block = next_digit("rb", row_blocks, rest);
    batch_ = c_.batches.is(1) ? b_.integer(0) : rest;
    first_strip_ = b_.let("s0", row_block * strip_block_);
    end_strip_ = b_.let("s1", b_.min(first_strip_ + strip_block_, strips_.count));
    b_address_ = b_.let("b0", c_.b_address(batch_));

    E first = b_.let("p0", panel_block * panel_block_);
    E end = b_.let("p1", b_.min(first + panel_block_, panels));
    E full = b_.let("pf", b_.min(end, c_.columns / width_));
    b_.loop("panel", first, full, 1,
            [&](E panel) { strips_of(panel, {tile_.vectors, lanes_, lanes_, {}}); });
    tail_panel(full, end);
  }

 private:
  /// Elements of the reduction.
  int64_t depth() const {
    int64_t depth = c_.depth.constant().value_or(256);
    for (const Tap& tap : c_.taps) depth *= tap.count.constant().value_or(1);
    return depth;
  }

  /// Of A, what a strip brings into the cache: windows share most of what they read.
  int64_t strip_bytes() const {
    const bool windowed =
        std::ranges::any_of(c_.taps, [](const Tap& tap) { return !tap.count.is(1); });
    const int64_t elements = c_.depth.constant().value_or(256) * (windowed ? 2 : 1);
    return elements * strip_rows_ * std::ssize(c_.window) * 4;
  }

  /// What it costs to read the weights once more, as bytes of A: they come from farther away.
  int64_t reread_bytes() const {
    constexpr int64_t kFarther = 3;
    return kFarther * 4 * depth() * c_.columns.constant().value_or(256);
  }

  /// Small weights stay in the second-level cache while blocks of rows pass, a panel of them in the
  /// first-level one while a block passes; large ones pass, a panel at a time, once while all rows
  /// stay, or once for each block of rows that stays. A thread's share of the tasks is a range of
  /// what passes last: where it is the rows, a thread has those that it had in the step before.
  /// Tasks are enough for many threads to share evenly, where there is the work for them.
  void choose_blocks() {
    constexpr int64_t kBlockRows = 96, kTasks = 32, kTaskWork = 1 << 14;  // multiply-adds
    constexpr int64_t kFewStrips = 4;  // each reads the whole panel
    const int64_t columns = c_.columns.constant().value_or(256);
    const int64_t strips = strips_.count.constant().value_or(64);
    const int64_t batches = c_.batches.constant().value_or(1);
    const int64_t panels = ceil_div(columns, width_);
    if (depth() * columns * 4 <= target_.l2_bytes / 2) {
      const int64_t work =
          batches * strips * strip_rows_ * std::ssize(c_.window) * columns * depth();
      const int64_t tasks = std::clamp<int64_t>(work / kTaskWork, 1, kTasks);
      strip_block_ = std::clamp<int64_t>(kBlockRows / strip_rows_, 1, strips);
      const int64_t row_tasks = ceil_div(strips, strip_block_) * batches;
      const int64_t panel_blocks = std::min(panels, ceil_div(tasks, row_tasks));
      panel_block_ = ceil_div(panels, panel_blocks);
      if (2 * row_tasks * panel_blocks <= tasks) {
        const int64_t shared = strips * batches * panels / tasks;
        strip_block_ = std::min(strip_block_, std::max(kFewStrips, shared));
      }
    } else {
      const int64_t kept = std::max(kFewStrips, target_.l2_bytes / 2 / strip_bytes());
      rows_stay_ = kept >= strips || !strips_.count.constant() ||
                   strips * panels * strip_bytes() <= ceil_div(strips, kept) * reread_bytes();
      panel_block_ = 1;
      strip_block_ = rows_stay_ ? strips : kept;
      if (panels * batches < kTasks) {
        const int64_t shared = ceil_div(strips * panels * batches, kTasks);
        strip_block_ = std::min(strip_block_, std::max(kFewStrips, shared));
      }
    }
    strip_block_ = ceil_div(strips, ceil_div(strips, strip_block_));
    if (!strips_.count.constant()) strip_block_ = std::max<int64_t>(1, kBlockRows / strip_rows_);
    stream_weights();
  }

  /// The next part of the weights arrives while this one is at work. Both must fit the cache beside
  /// each other, so a long panel is worked off in parts, the outermost tap of the reduction, with
  /// the sums of the task's rows in memory between them.
  void stream_weights() {
    constexpr int64_t kFewestStrips = 3;  // fewer have no time to fetch the next panel
    constexpr int64_t kMostBlocks = 16;   // of rows; with more it matters little that one waits
    const std::optional<int64_t> strips = strips_.count.constant();
    looks_ahead_ = c_.padded && strips && *strips < kFewestStrips;
    const int64_t most = target_.l2_bytes * 3 / 8 / (4 * width_);
    const bool one_part = c_.columns.constant().value_or(256) <= width_ && depth() <= most;
    prefetches_ = c_.padded && c_.depth.constant() && strips && *strips >= kFewestStrips &&
                  *strips <= kMostBlocks * strip_block_ && !one_part;
    const int64_t sums = strip_block_ * tile_.rows * width_;
    if (!prefetches_ || depth() <= most || sums * 4 > target_.l2_bytes / 8) return;
    if (c_.taps.empty() || c_.taps[0].count.is(1)) split_depth(most);
    if (c_.taps.empty() || !c_.taps[0].count.constant()) return;
    partial_ =
        b_.buffer("partial", ir::DType::kFloat32, ir::BufferKind::kScratch, b_.integer(sums));
  }

  /// Makes the depth a tap of equal parts of at most that many elements, if it has a divisor for
  /// it.
  void split_depth(int64_t most) {
    constexpr int64_t kMostParts = 16;
    const int64_t whole = *c_.depth.constant();
    int64_t parts = ceil_div(whole, most);
    while (parts <= kMostParts && whole % parts != 0) ++parts;
    if (parts > kMostParts) return;
    const int64_t part = whole / parts;
    c_.taps.insert(c_.taps.begin(), Tap{b_.integer(parts), c_.a_step * part, c_.b_step * part});
    c_.depth = b_.integer(part);
  }

  /// The vectors of a panel's columns. The last one may be narrower than the others.
  struct Columns {
    int vectors, lanes, last_lanes;
    std::vector<E> masks;  ///< none, one for the last vector, or one per vector

    bool is_last(int vector) const { return vector + 1 == vectors; }
    int lanes_of(int vector) const { return is_last(vector) ? last_lanes : lanes; }
    E mask(int vector) const {
      if (masks.empty()) return {};
      if (masks.size() == 1) return is_last(vector) ? masks[0] : E();
      return masks[vector];
    }
  };

  /// The columns that do not fill a panel. Half a vector takes half the time of a whole one where
  /// the processor works in halves, and never more.
  void tail_panel(E full, E end) {
    if (auto known = c_.columns.constant()) {
      const int64_t rest = *known % width_;
      if (rest == 0) return;
      Columns columns{static_cast<int>(ceil_div(rest, lanes_)), lanes_, lanes_, {}};
      const int64_t last = rest - (columns.vectors - 1) * lanes_;
      if (2 * last <= lanes_) columns.last_lanes = lanes_ / 2;
      if (last % columns.last_lanes != 0)
        columns.masks = {lanes_below(b_.integer(last), columns.last_lanes)};
      b_.if_then(full < end, [&] { strips_of(full, columns); });
      return;
    }
    b_.if_then(full < end, [&] {
      Columns columns{tile_.vectors, lanes_, lanes_, {}};
      E rest = b_.let("rest", c_.columns - full * width_);
      for (int v = 0; v < tile_.vectors; ++v)
        columns.masks.push_back(b_.let("mask", lanes_below(rest - v * lanes_, lanes_)));
      strips_of(full, columns);
    });
  }

  E lanes_below(E count, int lanes) {
    return b_.ramp(b_.integer(0), 1, lanes) < b_.broadcast(count, lanes);
  }

  /// All strips of the task over one panel, part by part of the reduction.
  void strips_of(E panel, const Columns& columns) {
    const E address = b_.let("pa", b_address_ + panel * c_.panel_step);
    const E column = b_.let("column", panel * width_);
    if (!partial_) return strips_of(Part{{}, b_.integer(0), address}, column, columns);
    const Tap& outermost = c_.taps[0];
    b_.loop("part", outermost.count, [&](E part) {
      strips_of(Part{part, b_.let("pk", part * outermost.a_stride),
                     b_.let("pw", address + part * outermost.b_stride)},
                column, columns);
    });
  }

  /// A part of the reduction over one panel.
  struct Part {
    E number;  ///< none: there is only one
    E a_offset, b_address;
  };

  void strips_of(const Part& part, E column, const Columns& columns) {
    if (!strips_.big_count.is(0)) {
      b_.loop("strip", first_strip_, b_.min(end_strip_, strips_.big_count), 1, [&](E strip) {
        tile(strips_.big, columns, strips_.start(strip), part, column, strip);
      });
    }
    if (strips_.count.constant() && strips_.count.constant() == strips_.big_count.constant())
      return;
    if (strips_.small == 0) return;
    b_.loop("strip", b_.max(first_strip_, strips_.big_count), end_strip_, 1, [&](E strip) {
      tile(strips_.small, columns, strips_.start_small(strip), part, column, strip);
    });
  }

  void tile(int rows, const Columns& columns, E first_row, const Part& part, E column, E strip) {
    const int vectors = columns.vectors;
    std::vector<ContractionRow> points;
    std::vector<E> addresses;
    for (int r = 0; r < rows; ++r) {
      points.push_back(c_.row(batch_, first_row + r));
      const E address = b_.let("a", points.back().address);
      for (E further : c_.window) addresses.push_back(address + further);
    }
    strip = b_.let("s", strip - first_strip_);
    const std::vector<ir::R> accumulators = first_sums(addresses.size(), columns, part, strip);
    const auto sums = with_further_sums(accumulators);
    const E next = prefetches_ ? b_.let("next", next_weights(part, strip)) : E();
    // A processor fetches a panel's own weights by itself, as long as the multiplications of a row
    // of them leave it room to look far enough ahead.
    constexpr int kRoom = 4, kStepsAhead = 32;
    const bool looks_ahead = looks_ahead_ && rows > kRoom;
    std::function<void(size_t, E, E)> reduce = [&](size_t depth, E a_offset, E b_offset) {
      if (depth < c_.taps.size()) {
        const Tap& tap = c_.taps[depth];
        if (tap.count.is(1)) return reduce(depth + 1, a_offset, b_offset);
        count("tap", b_.integer(0), tap.count, 1, [&](E t) {
          reduce(depth + 1, b_.let("ta", a_offset + t * tap.a_stride),
                 b_.let("tb", b_offset + t * tap.b_stride));
        });
        return;
      }
      const E ahead =
          prefetches_ ? b_.let("ahead", next + (b_offset - part.b_address) / spread()) : E();
      auto steps = [&](E first, E end, size_t at_once) {
        count("k", first, end, static_cast<int64_t>(at_once), [&](E k) {
          for (size_t i = 0; i < at_once; ++i) {
            if (prefetches_) prefetch(ahead, k, i, width_ / spread());
            if (looks_ahead) prefetch(b_offset + c_.b_step * kStepsAhead, k, i, width_);
            step(addresses, sums[i % sums.size()], columns, a_offset, b_offset,
                 k + static_cast<int64_t>(i));
          }
        });
      };
      const std::optional<int64_t> known = c_.depth.constant();
      int64_t at_once = std::ssize(sums);
      if (known && !is_short())
        at_once *= steps_at_once(std::ssize(accumulators) * at_once, *known / at_once);
      const E whole = c_.depth - (known ? *known % at_once : 0);
      if (!whole.is(0)) steps(b_.integer(0), whole, static_cast<size_t>(at_once));
      if (!(c_.depth - whole).is(0)) steps(whole, c_.depth, 1);
    };
    reduce(partial_ ? 1 : 0, part.a_offset, part.b_address);
    add_up(sums);

    auto store = [&] {
      for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors; ++v) {
          c_.store(points[r], column + v * lanes_, largest(accumulators, r, v, vectors),
                   columns.lanes_of(v), columns.mask(v));
        }
      }
    };
    if (!partial_) return store();
    b_.if_then(part.number == c_.taps[0].count - 1, store, [&] {
      for (size_t i = 0; i < accumulators.size(); ++i)
        b_.store(*partial_, sum(strip, static_cast<int>(i)), accumulators[i]);
    });
  }

  /// Whether the whole reduction is only a few steps, which then stand one after another.
  bool is_short() const {
    constexpr int64_t kFew = 16;
    return depth() <= kFew && c_.depth.constant() &&
           std::ranges::all_of(c_.taps,
                               [](const Tap& tap) { return tap.count.constant().has_value(); });
  }

  /// A loop of the reduction.
  void count(const char* name, E first, E end, int64_t step, const std::function<void(E)>& body) {
    if (!is_short()) return b_.loop(name, first, end, step, body);
    for (int64_t i = *first.constant(); i < *end.constant(); i += step) body(b_.integer(i));
  }

  /// Vector `v` of row `row` of the result.
  E largest(const std::vector<ir::R>& accumulators, int row, int v, int vectors) {
    const size_t window = c_.window.size(), first = row * window;
    E value = accumulators[first * vectors + v];
    for (size_t i = first + 1; i < first + window; ++i)
      value = b_.max(value, accumulators[i * vectors + v]);
    return value;
  }

  /// Where the i-th accumulator of a strip of the task lies between parts.
  E sum(E strip, int i) const { return strip * (tile_.rows * width_) + i * lanes_; }

  /// Zeros, or what the parts before have summed.
  std::vector<ir::R> first_sums(size_t rows, const Columns& columns, const Part& part, E strip) {
    E later;
    if (partial_) later = b_.let("later", b_.integer(0) < part.number);
    std::vector<ir::R> sums;
    for (int i = 0; i < static_cast<int>(rows) * columns.vectors; ++i) {
      const int lanes = columns.lanes_of(i % columns.vectors);
      const E first = partial_
                          ? b_.load(*partial_, sum(strip, i), lanes, b_.broadcast(later, lanes))
                          : b_.literal(0, {ir::DType::kFloat32, static_cast<uint16_t>(lanes)});
      sums.push_back(b_.let_register("acc", first));
    }
    return sums;
  }

  /// The accumulators of a tile, and where they are too few to keep the multipliers busy as many
  /// again as do: elements of the reduction go to each in turn.
  std::vector<std::vector<ir::R>> with_further_sums(const std::vector<ir::R>& first) {
    constexpr size_t kBusy = 8;  // chains of dependent operations
    std::vector<std::vector<ir::R>> sums = {first};
    const int64_t depth = c_.depth.constant().value_or(0);
    while (first.size() * sums.size() * 2 <= kBusy &&
           static_cast<int64_t>(sums.size() * kBusy) <= depth) {
      for (size_t count = sums.size(); count > 0; --count) {
        sums.emplace_back();
        for (const ir::R& sum : first)
          sums.back().push_back(b_.let_register("acc", b_.literal(0, sum.value.type())));
      }
    }
    return sums;
  }

  /// Leaves in the first accumulators the sum of all.
  void add_up(const std::vector<std::vector<ir::R>>& sums) {
    for (size_t half = sums.size() / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) {
        for (size_t k = 0; k < sums[i].size(); ++k)
          b_.assign(sums[i][k], sums[i][k].value + sums[i + half][k].value);
      }
    }
  }

  /// One element of the reduction.
  void step(const std::vector<E>& addresses, const std::vector<ir::R>& accumulators,
            const Columns& columns, E a_offset, E b_offset, E k) {
    add_outer_product(
        b_, static_cast<int>(addresses.size()), columns.vectors, accumulators,
        [&](int r) { return b_.load(c_.a, addresses[r] + a_offset + k * c_.a_step); },
        [&](int v) {
          const E mask = c_.padded ? E() : columns.mask(v);
          return b_.load(c_.b, b_offset + k * c_.b_step + v * lanes_, columns.lanes_of(v), mask);
        });
  }

  /// Over how many strips of a task the next part of the weights is prefetched: as many as divide
  /// a panel's row, so that lines are dealt out evenly. A burst would wait for memory, and make
  /// the loads of this part wait behind it.
  int spread() const {
    int64_t spread = std::min<int64_t>({width_, strip_block_, *strips_.count.constant()});
    while (width_ % spread != 0) --spread;
    return static_cast<int>(spread);
  }

  /// What this strip prefetches first of the weights that follow the part: packed panels, their
  /// parts and the panels of the next layer lie in the order in which they are read.
  E next_weights(const Part& part, E strip) {
    int64_t size = *c_.depth.constant() * width_;
    for (size_t tap = partial_ ? 1 : 0; tap < c_.taps.size(); ++tap)
      size *= c_.taps[tap].count.constant().value_or(1);
    return part.b_address + size + b_.min(strip, b_.integer(spread() - 1)) * (size / spread());
  }

  /// The lines that begin within the share of step k + i, of `share` elements per step. Steps that
  /// are taken at once fetch no line twice.
  void prefetch(E first, E k, size_t i, int share) {
    constexpr int kLine = 64 / 4;
    const int begin = static_cast<int>(i) * share;
    for (int at = (begin + kLine - 1) / kLine * kLine; at < begin + share; at += kLine)
      b_.prefetch(c_.b, first + k * share + at);
  }

  LoopBuilder& b_;
  Contraction c_;
  const Tile tile_;
  const int lanes_, width_;
  const Target& target_;
  Strips strips_;
  int strip_rows_;
  int64_t strip_block_ = 1, panel_block_ = 1;
  bool rows_stay_ = false;           ///< all rows of a task's batch, while weights pass
  bool looks_ahead_ = false;         ///< fetches weights of the panel itself
  bool prefetches_ = false;          ///< fetches those that follow the part
  std::optional<BufferId> partial_;  ///< sums between the parts of a reduction
  E batch_, first_strip_, end_strip_, b_address_;
};

}  // namespace

int64_t steps_at_once(int64_t products, int64_t depth) {
  constexpr int64_t kProducts = 32;
  int64_t steps = 1;
  while (steps * products < kProducts && steps * 2 <= depth) steps *= 2;
  // A few less, if then none are left over.
  for (int64_t fewer = steps; 2 * fewer > steps; --fewer) {
    if (depth % fewer == 0) return fewer;
  }
  return steps;
}

void add_outer_product(LoopBuilder& builder, int rows, int vectors, std::span<const ir::R> sums,
                       const std::function<E(int)>& a, const std::function<E(int)>& b) {
  const auto add = [&](int row, int v, E x, E w) {
    const ir::R& sum = sums[row * vectors + v];
    builder.assign(sum, builder.fma(builder.broadcast(x, w.type().lanes), w, sum));
  };
  std::vector<E> held;
  if (rows < vectors) {
    for (int row = 0; row < rows; ++row) held.push_back(builder.let("x", a(row)));
    for (int v = 0; v < vectors; ++v) {
      const E w = builder.let("w", b(v));
      for (int row = 0; row < rows; ++row) add(row, v, held[row], w);
    }
  } else {
    for (int v = 0; v < vectors; ++v) held.push_back(builder.let("w", b(v)));
    for (int row = 0; row < rows; ++row) {
      const E x = builder.let("x", a(row));
      for (int v = 0; v < vectors; ++v) add(row, v, x, held[v]);
    }
  }
}

void contraction_loops(ir::LoopScope& scope, const Contraction& contraction, Tile tile) {
  Loops(scope, contraction, tile).run();
}

}  // namespace tenon::schedule
