// Attention of one query per head, as in decoding: what counts is to read keys and values once and
// by whole vectors, so features lie in lanes, and a vector of scores is summed from as many rows.
#include <algorithm>
#include <limits>

#include "schedule/families.h"
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
/// Heads that share keys: from here on it is better to have them in lanes.
constexpr int64_t kManyHeads = 8;

bool applies(const Module& module, const Node& node, const Target&) {
  if (node.op != ir::Op::kAttention) return false;
  const ir::TensorType& q = module.value(node.inputs[kQ]).type;
  const ir::TensorType& k = module.value(node.inputs[kK]).type;
  return q.dtype == ir::DType::kFloat32 && q.dims[kSequence].is(1) &&
         q.dims[kFeature].is_constant() &&
         module.value(node.inputs[kV]).type.dims[kFeature].is_constant() &&
         q.dims[kHead].value() / k.dims[kHead].value() < kManyHeads;
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  if (operand != kMask) {
    layout.unit_axis = static_cast<int>(module.value(node.inputs[operand]).type.rank()) - 1;
  }
  return layout;
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        lanes_(scope.target().lanes(4)),
        type_{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)},
        features_(scope.operand_type(kQ).dims[kFeature].value()),
        columns_(scope.operand_type(kV).dims[kFeature].value()),
        keys_(scope.dim(scope.operand_type(kK).dims[kSequence])) {}

  void run() {
    const std::vector<ir::Dim>& q = scope_.operand_type(kQ).dims;
    const int64_t heads = q[kHead].value();
    const int64_t shared = heads / scope_.operand_type(kK).dims[kHead].value();
    const E padded = (keys_ + (lanes_ - 1)) / lanes_ * lanes_;
    scores_ = b_.buffer("scores", ir::DType::kFloat32, ir::BufferKind::kScratch, padded);
    const E task = b_.tasks(scope_.dim(q[kBatch]) * heads);
    batch_ = b_.let("batch", task / heads);
    head_ = b_.let("head", task % heads);
    group_ = b_.let("group", head_ / shared);
    const E greatest = b_.let("greatest", b_.reduce(ExprKind::kReduceMax, scores()));
    const E inverse = exponentials(greatest, padded);
    for (int64_t column = 0; column < columns_; column += int64_t{kVectors} * lanes_)
      mean(column, inverse);
  }

 private:
  static constexpr int kVectors = 4;  // of values that are summed at a time

  /// The lanes of the vector at `first` that are below `extent`; none: all of them.
  E mask_at(int64_t first, int64_t extent) {
    if (first + lanes_ <= extent) return {};
    return b_.let("mask", b_.ramp(b_.integer(0), 1, lanes_) <
                              b_.broadcast(b_.integer(extent - first), lanes_));
  }

  E row(const ir::View& view, E group) {
    return view.offset + batch_ * view.strides[kBatch] + group * view.strides[kHead];
  }

  /// Each lane the sum of one row's lanes.
  E sum_rows(std::vector<E> rows) {
    for (size_t size = 1; rows.size() > 1; size *= 2) {
      std::vector<E> next;
      for (size_t i = 0; i < rows.size(); i += 2) {
        const auto [low, high] = exchange(static_cast<size_t>(lanes_), size);
        next.push_back(b_.let(
            "t", b_.shuffle(rows[i], rows[i + 1], low) + b_.shuffle(rows[i], rows[i + 1], high)));
      }
      rows = std::move(next);
    }
    return rows[0];
  }

  /// Writes all scores, -inf after the last key; the result holds the greatest of each lane.
  E scores() {
    const ir::View q = scope_.view(kQ), k = scope_.view(kK);
    const E scale = b_.number(scope_.attrs().number("scale"), type_);
    const E query = row(q, head_);
    std::vector<E> queries, masks;
    for (int64_t f = 0; f < features_; f += lanes_) {
      masks.push_back(mask_at(f, features_));
      queries.push_back(b_.let("q", b_.load(q.buffer, query + f, lanes_, masks.back()) * scale));
    }
    const E first = b_.let("k0", row(k, group_));
    const R greatest = b_.let_register("most", b_.literal(-kInfinity, type_));
    b_.loop("key", b_.integer(0), keys_, lanes_, [&](E key) {
      std::vector<E> rows;
      for (int r = 0; r < lanes_; ++r) {
        const E at = first + b_.min(key + r, keys_ - 1) * k.strides[kSequence];
        E sum = b_.literal(0, type_);
        for (size_t i = 0; i < queries.size(); ++i) {
          const E x = b_.load(k.buffer, at + static_cast<int64_t>(i) * lanes_, lanes_, masks[i]);
          sum = b_.fma(queries[i], x, sum);
        }
        rows.push_back(b_.let("row", sum));
      }
      E score = sum_rows(std::move(rows));
      const E exists =
          b_.let("exists", b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(keys_ - key, lanes_));
      if (scope_.has_operand(kMask)) {
        const std::vector<E> index = {batch_, head_, b_.integer(0), key};
        const E mask = scope_.load(kMask, index, {kFeature, lanes_, exists});
        score = scope_.operand_type(kMask).dtype == ir::DType::kFloat32
                    ? score + mask
                    : b_.select(mask, score, b_.literal(-kInfinity, type_));
      }
      score = b_.let("score", b_.select(exists, score, b_.literal(-kInfinity, type_)));
      b_.store(scores_, key, score);
      b_.assign(greatest, b_.max(greatest, score));
    });
    return greatest;
  }

  /// Scores become exp(score - greatest); the result is 1 / their sum. Where no key counts they
  /// are 0.
  E exponentials(E greatest, E padded) {
    const E zero = b_.literal(0, {ir::DType::kFloat32});
    const E none = b_.literal(-kInfinity, {ir::DType::kFloat32});
    const E shift = b_.let("shift", b_.select(greatest == none, zero, greatest));
    const R sum = b_.let_register("sum", b_.literal(0, type_));
    b_.loop("key", b_.integer(0), padded, lanes_, [&](E key) {
      const E score = b_.load(scores_, key, lanes_);
      const E power = b_.let("power", b_.unary(ExprKind::kSoftmaxExp, score - shift));
      b_.store(scores_, key, power);
      b_.assign(sum, sum + power);
    });
    const E total = b_.let("total", b_.reduce(ExprKind::kReduceAdd, sum));
    const E inverse = b_.literal(1, {ir::DType::kFloat32}) / total;
    const bool guarded = scope_.attrs().flag("guarded");
    return b_.let("inverse", guarded ? b_.select(total == zero, zero, inverse) : inverse);
  }

  /// Some columns of the mean of the values, even and odd keys by themselves: one chain of sums
  /// would wait for itself.
  void mean(int64_t column, E inverse) {
    const ir::View v = scope_.view(kV);
    std::vector<E> masks;
    for (int64_t c = column; c < std::min(columns_, column + int64_t{kVectors} * lanes_);
         c += lanes_)
      masks.push_back(mask_at(c, columns_));
    constexpr int kChains = 2;
    std::vector<R> sums;
    for (size_t i = 0; i < masks.size() * kChains; ++i)
      sums.push_back(b_.let_register("acc", b_.literal(0, type_)));
    const E base = b_.let("v0", row(v, group_) + column);
    const auto add = [&](E key, size_t chain) {
      const E weight = b_.let("p", b_.broadcast(b_.load(scores_, key), lanes_));
      for (size_t i = 0; i < masks.size(); ++i) {
        const E at = base + key * v.strides[kSequence] + static_cast<int64_t>(i) * lanes_;
        const R& sum = sums[chain * masks.size() + i];
        b_.assign(sum, b_.fma(weight, b_.load(v.buffer, at, lanes_, masks[i]), sum));
      }
    };
    const E whole = b_.let("even", keys_ / kChains * kChains);
    b_.loop("key", b_.integer(0), whole, kChains, [&](E key) {
      for (int chain = 0; chain < kChains; ++chain) add(key + chain, chain);
    });
    b_.loop("key", whole, keys_, 1, [&](E key) { add(key, 0); });
    for (size_t i = 0; i < masks.size(); ++i) {
      const E sum = sums[i].value + sums[masks.size() + i].value;
      const std::vector<E> index = {batch_, head_, b_.integer(0),
                                    b_.integer(column + static_cast<int64_t>(i) * lanes_)};
      scope_.store(0, index, sum * inverse, {kFeature, lanes_, masks[i]});
    }
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const int lanes_;
  const ir::VectorType type_;
  const int64_t features_, columns_;  // of a key, of a value
  const E keys_;
  BufferId scores_;
  E batch_, head_, group_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

const Recipe& attention_row_recipe() {
  static const Recipe recipe = {"attention-row", applies, operand_layout, false, loops};
  return recipe;
}

}  // namespace tenon::schedule
