// Attention in one pass over blocks of queries: scores, their softmax and the mean of the values
// stay in a core's cache.
//
// Queries lie in lanes: scores are key by key, so that the softmax needs no sum or maximum across
// lanes, keys and values are read in place, and only a block of queries is transposed. Where one
// query per head is asked for, the heads that share keys lie in lanes instead. Keys that are too
// many for the cache come in blocks, and what was summed before shrinks as the maximum grows
// (Milakov and Gimelshein, Online normalizer calculation for softmax, 2018).
#include <algorithm>
#include <cmath>
#include <limits>

#include "schedule/families.h"
#include "schedule/strips.h"
#include "schedule/transpose.h"

namespace tenon::schedule {
namespace {

using ir::BufferId;
using ir::E;
using ir::ExprKind;
using ir::LoopScope;
using ir::Module;
using ir::Node;
using ir::R;

constexpr int kQ = 0, kK = 1, kV = 2, kMask = 3;
constexpr int kBatch = 0, kHead = 1, kSequence = 2, kFeature = 3;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool applies(const Module& module, const Node& node, const Target&) {
  if (node.op != ir::Op::kAttention) return false;
  const ir::TensorType& q = module.value(node.inputs[kQ]).type;
  return q.dtype == ir::DType::kFloat32 && q.dims[kFeature].is_constant() &&
         module.value(node.inputs[kV]).type.dims[kFeature].is_constant();
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  if (operand != kK) {
    layout.unit_axis = static_cast<int>(module.value(node.inputs[operand]).type.rank()) - 1;
  }
  return layout;
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        q_(scope.view(kQ)),
        k_(scope.view(kK)),
        v_(scope.view(kV)),
        lanes_(scope.target().lanes(4)),
        type_{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)},
        features_(scope.operand_type(kQ).dims[kFeature].value()),
        columns_(scope.operand_type(kV).dims[kFeature].value()),
        queries_(scope.dim(scope.operand_type(kQ).dims[kSequence])),
        keys_(scope.dim(scope.operand_type(kK).dims[kSequence])),
        shared_(scope.operand_type(kQ).dims[kHead].value() /
                scope.operand_type(kK).dims[kHead].value()),
        lane_axis_(queries_.is(1) && shared_ > 1 ? kHead : kSequence),
        causal_(scope.attrs().flag("causal") && !queries_.is(1)) {}

  void run() {
    const int usual = scope_.target().vector_registers >= 32 ? 4 : 2;  // vectors of queries
    rows_ = lane_axis_ == kHead ? b_.integer(shared_) : queries_;
    const Strips blocks = make_strips(b_, (rows_ + (lanes_ - 1)) / lanes_, usual);
    const int vectors = blocks.big_count.is(0) ? blocks.small : blocks.big;
    choose_key_block(vectors * lanes_);
    make_scratch(vectors * lanes_);

    const ir::TensorType& result = scope_.result_type(0);
    const E heads = scope_.dim(scope_.operand_type(lane_axis_ == kHead ? kK : kQ).dims[kHead]);
    const E task = b_.tasks(scope_.dim(result.dims[kBatch]) * heads * blocks.count);
    const E block = b_.let("block", task % blocks.count);
    const E rest = b_.let("rest", task / blocks.count);
    batch_ = b_.let("batch", rest / heads);
    const E head = b_.let("head", rest % heads);
    first_head_ = lane_axis_ == kHead ? b_.let("h", head * shared_) : head;
    const E group = lane_axis_ == kHead ? head : b_.let("group", head / shared_);
    k_.offset = b_.let("k0", k_.offset + batch_ * k_.strides[kBatch] + group * k_.strides[kHead]);
    v_.offset = b_.let("v0", v_.offset + batch_ * v_.strides[kBatch] + group * v_.strides[kHead]);
    for_strip(b_, blocks, block, [&](int count, E start) { query_block(count, start * lanes_); });
  }

 private:
  // ---- Blocks ----

  /// Scores of a block of queries and keys take a quarter of the second-level cache.
  void choose_key_block(int width) {
    const int64_t most = std::max<int64_t>(64, scope_.target().l2_bytes / 4 / 4 / width);
    const auto known = keys_.constant();
    one_block_ = known && *known <= most;
    key_block_ = one_block_ ? keys_ : b_.integer(most);
  }

  void make_scratch(int width) {
    const auto scratch = [&](const char* name, E extent) {
      return b_.buffer(name, ir::DType::kFloat32, ir::BufferKind::kScratch, extent);
    };
    transposed_ = scratch("queries", b_.integer(features_ * width));
    scores_ = scratch("scores", key_block_ * width);
    inverse_ = scratch("inverse", b_.integer(width));
    if (one_block_) return;
    factor_ = scratch("factor", b_.integer(width));
    pitch_ = (columns_ + lanes_ - 1) / lanes_ * lanes_;
    sums_of_values_ = scratch("sums", b_.integer(pitch_ * width));
  }

  /// The queries from `first` on, in this many vectors.
  void query_block(int vectors, E first) {
    vectors_ = vectors;
    width_ = vectors * lanes_;
    first_ = b_.let("first", first);
    load_queries();
    greatest_.clear();
    sums_.clear();
    for (int v = 0; v < vectors; ++v) {
      greatest_.push_back(b_.let_register("greatest", b_.literal(-kInfinity, type_)));
      sums_.push_back(b_.let_register("sum", b_.literal(0, type_)));
    }
    visible_ = keys_;
    if (causal_) {
      const E last = b_.min(keys_, first_ + width_ + (keys_ - queries_));
      visible_ = b_.let("visible", b_.max(last, b_.integer(0)));
    }
    if (one_block_) {
      key_block(b_.integer(0), keys_, visible_);
    } else {
      b_.loop(
          "i", b_.integer(pitch_ * width_),
          [&](E i) { b_.store(sums_of_values_, i, b_.literal(0, {ir::DType::kFloat32})); },
          ir::LoopKind::kVector);
      b_.loop("keys", b_.integer(0), visible_, *key_block_.constant(), [&](E begin) {
        const E count = b_.let("count", b_.min(key_block_, visible_ - begin));
        key_block(begin, count, count);
      });
      divide();
    }
  }

  /// Takes in `count` keys from `begin` on, of which the first `visible` count for any query.
  void key_block(E begin, E count, E visible) {
    if (transposes_mask()) transpose_mask(begin, visible);
    std::vector<E> before(greatest_.begin(), greatest_.end());
    if (!one_block_) {
      for (E& value : before) value = b_.let("before", value);
    }
    const int rows = rows_beside(vectors_);
    for_strips(b_, make_strips(b_, count, rows), visible,
               [&](int strip_rows, E start) { score(strip_rows, begin, start); });
    exponentials(before, visible);
    values(begin, visible);
  }

  /// Rows of a register tile beside this many vectors.
  int rows_beside(int vectors) const {
    constexpr int kMost = 14;
    const int registers = scope_.target().vector_registers;
    int rows = 1;
    while (rows < kMost && (rows + 1) * vectors + std::min(rows + 1, vectors) + 1 <= registers)
      ++rows;
    return rows;
  }

  // ---- Queries and mask ----

  /// The address of the row of `view` that belongs to lane `row` of the block, at features or keys
  /// 0. Lanes after the last query repeat it.
  E row_address(const ir::View& view, E row) {
    const E at = b_.min(first_ + row, rows_ - 1);
    E address = view.offset + batch_ * view.strides[kBatch] + first_head_ * view.strides[kHead];
    return address + at * view.strides[lane_axis_];
  }

  /// Writes columns [0, count) of the block's rows, one vector of lanes after another: element
  /// (row, column) to scratch[column * width + row], after `convert`.
  void transpose_rows(const ir::View& view, E first_column, E count, BufferId scratch,
                      const std::function<E(E)>& convert) {
    b_.loop("v", b_.integer(0), b_.integer(width_), lanes_, [&](E v) {
      std::vector<E> addresses;
      for (int lane = 0; lane < lanes_; ++lane)
        addresses.push_back(b_.let("row", row_address(view, v + lane) + first_column));
      const auto square = [&](E column, E mask) {
        std::vector<E> rows;
        for (E address : addresses) {
          rows.push_back(
              b_.let("x", convert(b_.load(view.buffer, address + column, lanes_, mask))));
        }
        return transpose(b_, std::move(rows));
      };
      const E whole = count.constant() ? b_.integer(*count.constant() / lanes_ * lanes_)
                                       : b_.let("whole", count / lanes_ * lanes_);
      b_.loop("c", b_.integer(0), whole, lanes_, [&](E column) {
        const std::vector<E> columns = square(column, {});
        for (int lane = 0; lane < lanes_; ++lane)
          b_.store(scratch, (column + lane) * width_ + v, columns[lane]);
      });
      if (count.constant() && *count.constant() % lanes_ == 0) return;
      b_.if_then(whole < count, [&] {
        const std::vector<E> columns = square(whole, lanes_below(count - whole));
        for (int lane = 0; lane < lanes_; ++lane) {
          b_.if_then(whole + lane < count,
                     [&] { b_.store(scratch, (whole + lane) * width_ + v, columns[lane]); });
        }
      });
    });
  }

  E lanes_below(E count) {
    return b_.let("mask", b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(count, lanes_));
  }

  void load_queries() {
    const E scale = b_.number(scope_.attrs().number("scale"), type_);
    transpose_rows(q_, b_.integer(0), b_.integer(features_), transposed_,
                   [&](E x) { return x * scale; });
  }

  /// A mask that differs both from query to query and from key to key.
  bool transposes_mask() const {
    if (!scope_.has_operand(kMask)) return false;
    const std::vector<ir::Dim>& dims = scope_.operand_type(kMask).dims;
    const auto differs = [&](int axis) {
      const int own = axis + static_cast<int>(dims.size()) - 4;
      return own >= 0 && !dims[own].is(1);
    };
    return differs(lane_axis_) && differs(kFeature);
  }

  /// What a mask's elements add to scores.
  E as_addend(E mask) {
    if (scope_.operand_type(kMask).dtype == ir::DType::kFloat32) return mask;
    return b_.select(mask, b_.literal(0, type_), b_.literal(-kInfinity, type_));
  }

  void transpose_mask(E begin, E count) {
    ir::View view = scope_.view(kMask);
    const std::vector<ir::Dim>& dims = scope_.operand_type(kMask).dims;
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (dims[axis].is(1)) view.strides[axis] = b_.integer(0);
    }
    view.strides.insert(view.strides.begin(), 4 - dims.size(), b_.integer(0));
    transpose_rows(view, begin, count, scores_, [&](E x) { return as_addend(x); });
  }

  /// What the scores of one key start with.
  E first_score(int vector, E key, E at) {
    if (!scope_.has_operand(kMask)) return b_.literal(0, type_);
    if (transposes_mask()) return b_.load(scores_, at + vector * lanes_, lanes_);
    const E lane = first_ + vector * lanes_;
    std::vector<E> index = {batch_, first_head_, b_.integer(0), key};
    index[lane_axis_] = index[lane_axis_] + lane;
    return as_addend(scope_.load(kMask, index, {lane_axis_, lanes_, lanes_below(rows_ - lane)}));
  }

  // ---- Register tiles ----

  using Load = std::function<E(int)>;

  /// One step of a product: the smaller side of the tile is held in registers.
  void step(const std::vector<R>& sums, int rows, int vectors, const Load& scalar,
            const Load& vector) {
    const bool holds_rows = rows < vectors;
    std::vector<E> held;
    for (int i = 0; i < std::min(rows, vectors); ++i)
      held.push_back(holds_rows ? scalar(i) : vector(i));
    for (int i = 0; i < std::max(rows, vectors); ++i) {
      const E streamed = holds_rows ? vector(i) : scalar(i);
      for (size_t j = 0; j < held.size(); ++j) {
        const int row = holds_rows ? static_cast<int>(j) : i;
        const int v = holds_rows ? i : static_cast<int>(j);
        const R& sum = sums[row * vectors + v];
        b_.assign(sum,
                  holds_rows ? b_.fma(held[j], streamed, sum) : b_.fma(streamed, held[j], sum));
      }
    }
  }

  /// Scores of `rows` keys from begin + start on.
  void score(int rows, E begin, E start) {
    std::vector<E> addresses;
    std::vector<R> sums;
    const E at = b_.let("at", start * width_);
    for (int r = 0; r < rows; ++r) {
      const E key = begin + start + r;
      addresses.push_back(b_.let("a", k_.offset + key * k_.strides[kSequence]));
      for (int v = 0; v < vectors_; ++v)
        sums.push_back(b_.let_register("acc", first_score(v, key, at + r * width_)));
    }
    const auto add = [&](E d) {
      step(
          sums, rows, vectors_,
          [&](int r) {
            const E x = b_.load(k_.buffer, addresses[r] + d * k_.strides[kFeature]);
            return b_.let("x", b_.broadcast(x, lanes_));
          },
          [&](int v) {
            return b_.let("w", b_.load(transposed_, d * width_ + v * lanes_, lanes_));
          });
    };
    constexpr int kUnroll = 4;
    const int64_t whole = features_ / kUnroll * kUnroll;
    b_.loop("d", b_.integer(0), b_.integer(whole), kUnroll, [&](E d) {
      for (int u = 0; u < kUnroll; ++u) add(d + u);
    });
    for (int64_t d = whole; d < features_; ++d) add(b_.integer(d));
    if (causal_) hide_later_keys(sums, rows, begin + start);
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors_; ++v) {
        const R& sum = sums[r * vectors_ + v];
        b_.store(scores_, at + r * width_ + v * lanes_, sum);
        b_.assign(greatest_[v], b_.max(greatest_[v], sum));
      }
    }
  }

  /// A key counts for queries that are no earlier, counted from the ends.
  void hide_later_keys(const std::vector<R>& sums, int rows, E key) {
    const E first = b_.let("earliest", first_ + (keys_ - queries_));  // key that all queries see
    b_.if_then(key + rows > first + 1, [&] {
      for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors_; ++v) {
          const E last = b_.ramp(first + v * lanes_, 1, lanes_);
          const R& sum = sums[r * vectors_ + v];
          b_.assign(sum, b_.select(b_.broadcast(key + r, lanes_) <= last, sum,
                                   b_.literal(-kInfinity, type_)));
        }
      }
    });
  }

  // ---- Softmax ----

  /// Scores become exp(score - greatest). Where all are -inf, so that nothing counts, they are 0.
  void exponentials(const std::vector<E>& before, E count) {
    const E none = b_.literal(-kInfinity, type_), zero = b_.literal(0, type_);
    std::vector<E> shifts;
    for (int v = 0; v < vectors_; ++v) {
      const E greatest = greatest_[v];
      shifts.push_back(b_.let("shift", b_.select(greatest == none, zero, greatest)));
      if (one_block_) continue;
      const E factor = b_.select(before[v] == none, zero,
                                 b_.unary(ExprKind::kSoftmaxExp, before[v] - shifts[v]));
      const E kept = b_.let("kept", factor);
      b_.store(factor_, b_.integer(v * lanes_), kept);
      b_.assign(sums_[v], sums_[v] * kept);
    }
    b_.loop("key", count, [&](E key) {
      for (int v = 0; v < vectors_; ++v) {
        const E at = key * width_ + v * lanes_;
        const E score = b_.load(scores_, at, lanes_);
        const E power = b_.let("power", b_.unary(ExprKind::kSoftmaxExp, score - shifts[v]));
        b_.store(scores_, at, power);
        b_.assign(sums_[v], sums_[v] + power);
      }
    });
    const bool guarded = scope_.attrs().flag("guarded");
    for (int v = 0; v < vectors_; ++v) {
      const E sum = sums_[v];
      E inverse = b_.literal(1, type_) / sum;
      if (guarded) inverse = b_.select(sum == zero, zero, inverse);
      b_.store(inverse_, b_.integer(v * lanes_), inverse);
    }
  }

  // ---- Values ----

  /// Adds the block's values, weighted by the powers of their keys.
  void values(E begin, E count) {
    const int usual = scope_.target().vector_registers >= 32 ? 4 : 2;
    const int64_t step = int64_t{usual} * lanes_;
    const int64_t whole = columns_ / step * step;
    const E rows = is_one_block_of_queries() ? rows_ : b_.integer(width_);
    const auto panel = [&](E column, int vectors, E mask) {
      for_strips(
          b_, make_strips(b_, rows, rows_beside(vectors)), rows_ - first_,
          [&](int rows, E start) { mean(rows, vectors, start, column, begin, count, mask); });
    };
    b_.loop("column", b_.integer(0), b_.integer(whole), step,
            [&](E column) { panel(column, usual, {}); });
    const int64_t rest = columns_ - whole;
    if (rest == 0) return;
    const E mask = rest % lanes_ == 0 ? E() : lanes_below(b_.integer(rest % lanes_));
    panel(b_.integer(whole), static_cast<int>((rest + lanes_ - 1) / lanes_), mask);
  }

  /// One tile: `rows` queries from lane `start` on by some vectors of values.
  void mean(int rows, int vectors, E start, E column, E begin, E count, E mask) {
    const auto mask_of = [&](int v) { return v + 1 == vectors ? mask : E(); };
    std::vector<R> sums;
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) {
        E first = b_.literal(0, type_);
        if (!one_block_) {
          const E factor = b_.broadcast(b_.load(factor_, start + r), lanes_);
          first = factor * b_.load(sums_of_values_, sum_address(start + r, column, v), lanes_);
        }
        sums.push_back(b_.let_register("acc", first));
      }
    }
    const E base =
        b_.let("v", v_.offset + begin * v_.strides[kSequence] + column * v_.strides[kFeature]);
    b_.loop("key", count, [&](E key) {
      const E row = base + key * v_.strides[kSequence];
      step(
          sums, rows, vectors,
          [&](int r) {
            const E x = b_.load(scores_, start + key * width_ + r);
            return b_.let("x", b_.broadcast(x, lanes_));
          },
          [&](int v) {
            return b_.let("w", b_.load(v_.buffer, row + v * lanes_, lanes_, mask_of(v)));
          });
    });
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) {
        const R& sum = sums[r * vectors + v];
        if (one_block_) {
          store_result(start + r, column + v * lanes_, sum, mask_of(v));
        } else {
          b_.store(sums_of_values_, sum_address(start + r, column, v), sum);
        }
      }
    }
  }

  E sum_address(E row, E column, int v) { return row * pitch_ + column + v * lanes_; }

  void store_result(E row, E column, E sum, E mask) {
    const E inverse = b_.broadcast(b_.load(inverse_, row), lanes_);
    std::vector<E> index = {batch_, first_head_, b_.integer(0), column};
    index[lane_axis_] = index[lane_axis_] + first_ + row;
    const auto store = [&] { scope_.store(0, index, sum * inverse, {kFeature, lanes_, mask}); };
    const auto known = rows_.constant();
    if (known && (*known % width_ == 0 || is_one_block_of_queries())) return store();
    b_.if_then(first_ + row < rows_, store);
  }

  bool is_one_block_of_queries() const { return rows_.constant() && *rows_.constant() <= width_; }

  /// The results from the sums over all blocks of keys.
  void divide() {
    b_.loop("row", b_.min(b_.integer(width_), rows_ - first_), [&](E row) {
      for (int64_t column = 0; column < columns_; column += lanes_) {
        const E mask =
            columns_ - column < lanes_ ? lanes_below(b_.integer(columns_ - column)) : E();
        store_result(row, b_.integer(column),
                     b_.load(sums_of_values_, row * pitch_ + column, lanes_), mask);
      }
    });
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const ir::View q_;
  ir::View k_, v_;  // of the task's group of heads
  const int lanes_;
  const ir::VectorType type_;
  const int64_t features_, columns_;  // of a key, of a value
  const E queries_, keys_;
  const int64_t shared_;  // heads of queries for each of keys
  const int lane_axis_;
  const bool causal_;
  E rows_;  // along the axis of lanes
  bool one_block_ = true;
  E key_block_;
  int64_t pitch_ = 0;
  BufferId transposed_, scores_, inverse_, factor_, sums_of_values_;
  // Of the task and its block of queries.
  E batch_, first_head_, first_, visible_;
  int vectors_ = 0, width_ = 0;
  std::vector<R> greatest_, sums_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

const Recipe& attention_recipe() {
  static const Recipe recipe = {"attention", applies, operand_layout, false, loops};
  return recipe;
}

}  // namespace tenon::schedule
