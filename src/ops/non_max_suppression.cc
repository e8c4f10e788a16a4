// non_max_suppression: for each batch and class the boxes with the best scores, without those that
// overlap a better one. boxes[batch, box, 4] have two corners (y, x, y, x) or, with `center`, a
// center and extents (x, y, width, height); scores are [batch, class, box]. A box counts if its
// score is above `threshold`; it is dropped if its overlap with a kept one, as a part of their
// union, is above `overlap`; of equal scores the lower index comes first. At most `most` are kept.
// The first result are their (batch, class, box) in order, and then zeros up to the most that there
// can be; the second result is how many there are.
#include <algorithm>
#include <array>
#include <limits>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

/// The most boxes of one class that are kept.
ir::Dim most_of(ir::Dims& dims, const ir::Attrs& attrs, ir::Dim boxes) {
  return dims.min(attrs.dims("most")[0], boxes);
}

Inferred infer(InferContext& context) {
  ir::Dims& dims = context.dims;
  const ir::TensorType &boxes = *context.operands[0], &scores = *context.operands[1];
  if (boxes.rank() != 3 || !boxes.dims[2].is(4) || scores.rank() != 3) {
    return wrong("boxes {} and scores {} are not [batch, box, 4] and [batch, class, box]",
                 shape_text(dims, boxes.dims), shape_text(dims, scores.dims));
  }
  if (!dims.unify(boxes.dims[0], scores.dims[0]) || !dims.unify(boxes.dims[1], scores.dims[2])) {
    return wrong("boxes {} and scores {} differ in batch or number", shape_text(dims, boxes.dims),
                 shape_text(dims, scores.dims));
  }
  for (const ir::TensorType* type : context.operands) {
    if (type->dtype != ir::DType::kFloat32) return wrong("boxes and scores are f32");
  }
  for (size_t k : {2, 3}) {
    if (context.operands[k]->rank() != 0) return wrong("overlap and threshold are scalars");
  }
  const std::vector<ir::Dim>& most = context.attrs.dims("most");
  if (most.size() != 1) return wrong("'most' is one number, not {}", most.size());
  const ir::Dim rows = dims.product(
      std::array{scores.dims[0], scores.dims[1], most_of(dims, context.attrs, boxes.dims[1])});
  return std::vector{ir::TensorType{ir::DType::kInt64, {rows, 3}},
                     ir::TensorType{ir::DType::kInt64, {}}};
}

struct Box {
  float top, left, bottom, right, area;
};

Box box_at(const float* numbers, bool center) {
  const auto [a, b, c, d] = std::array{numbers[0], numbers[1], numbers[2], numbers[3]};
  if (center) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2, c * d};
  Box box{std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d), 0};
  box.area = (box.bottom - box.top) * (box.right - box.left);
  return box;
}

/// The intersection as a part of the union.
float overlap_of(const Box& a, const Box& b) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float common = std::max(height, 0.0f) * std::max(width, 0.0f);
  const float all = a.area + b.area - common;
  return all > 0 ? common / all : 0;
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor &boxes = *context.operands[0], &scores = *context.operands[1];
  const float overlap = context.operands[2]->as<float>()[0];
  const float threshold = context.operands[3]->as<float>()[0];
  const bool center = context.attrs.flag("center");
  const int64_t size = boxes.shape()[1], classes = scores.shape()[1];
  const int64_t most = std::min(context.attrs.dims("most")[0].value(), size);
  Tensor& selected = *context.results[0];
  std::memset(selected.bytes(), 0, selected.byte_count());
  int64_t count = 0;
  std::vector<float> left(static_cast<size_t>(size));
  for (int64_t line = 0; line < scores.shape()[0] * classes; ++line) {
    const float* first = boxes.as<float>().data() + line / classes * size * 4;
    const auto given = scores.as<float>().subspan(static_cast<size_t>(line * size), left.size());
    constexpr float kGone = -std::numeric_limits<float>::infinity();
    std::ranges::transform(given, left.begin(),
                           [&](float score) { return score > threshold ? score : kGone; });
    for (int64_t kept = 0; kept < most; ++kept) {
      const auto best = std::ranges::max_element(left);
      if (*best == kGone) break;
      const int64_t place = best - left.begin();
      const int64_t row[] = {line / classes, line % classes, place};
      std::ranges::copy(row, selected.as<int64_t>().begin() + 3 * count++);
      *best = kGone;
      const Box box = box_at(first + 4 * place, center);
      for (int64_t i = 0; i < size; ++i) {
        if (overlap_of(box, box_at(first + 4 * i, center)) > overlap) left[i] = kGone;
      }
    }
  }
  context.results[1]->set_integer(0, count);
  return {};
}

/// The boxes of one class that are above the threshold, in scratch memory: box i is the i-th of
/// each array.
class Candidates {
 public:
  Candidates(ir::LoopScope& scope, E size)
      : scope_(scope),
        builder_(scope.builder()),
        size_(size),
        scores_(builder_, "scores", ir::DType::kFloat32, size),
        places_(builder_, "places", ir::DType::kInt64, size),
        numbers_{number("top"), number("left"), number("bottom"), number("right"), number("area")},
        count_(builder_.let_register("candidates", builder_.integer(0))) {}

  /// Takes the boxes of a class.
  void collect(E batch, E kind) {
    const E zero = builder_.integer(0), one = builder_.integer(1);
    builder_.assign(count_, zero);
    const E threshold = scope_.load(3, {});
    builder_.loop("i", size_, [&](E i) {
      const E score = builder_.let("score", scope_.load(1, std::array{batch, kind, i}));
      builder_.if_then(score > threshold, [&] {
        const E next = builder_.let("next", count_);
        scores_.set(next, score);
        places_.set(next, i);
        const std::array<E, 5> box = read(batch, i);
        for (size_t k = 0; k < box.size(); ++k) numbers_[k].set(next, box[k]);
        builder_.assign(count_, count_ + one);
      });
    });
  }

  E count() const { return count_; }
  E place(E i) const { return places_[i]; }

  /// The best score that is left, or minus infinity.
  E best() {
    const ir::R best = builder_.let_register("best", gone());
    builder_.loop(
        "i", count_, [&](E i) { builder_.assign(best, builder_.max(best, scores_[i])); },
        ir::LoopKind::kVector);
    return best;
  }

  /// The first box with this score.
  E find(E score) {
    const ir::R found = builder_.let_register("found", count_);
    builder_.loop(
        "i", count_,
        [&](E i) {
          const E place = builder_.select(scores_[i] == score, i, size_);
          builder_.assign(found, builder_.min(found, place));
        },
        ir::LoopKind::kVector);
    return found;
  }

  /// Drops box `kept` and all that overlap it.
  void drop(E kept) {
    std::array<E, 5> box;
    for (size_t k = 0; k < box.size(); ++k) box[k] = builder_.let("kept", numbers_[k][kept]);
    scores_.set(kept, gone());
    const E overlap = builder_.let("overlap", scope_.load(2, {}));
    const E zero = builder_.number(0, {ir::DType::kFloat32});
    builder_.loop(
        "i", count_,
        [&](E i) {
          const auto side = [&](size_t low, size_t high) {
            const E end = builder_.min(box[high], numbers_[high][i]);
            return builder_.max(end - builder_.max(box[low], numbers_[low][i]), zero);
          };
          const E common = builder_.let("common", side(0, 2) * side(1, 3));
          const E all = builder_.let("all", box[4] + numbers_[4][i] - common);
          const E part = builder_.select(all > zero, common / all, zero);
          scores_.set(i, builder_.select(part > overlap, gone(), scores_[i]));
        },
        ir::LoopKind::kVector);
  }

  E gone() {
    return builder_.number(-std::numeric_limits<double>::infinity(), {ir::DType::kFloat32});
  }

 private:
  Scratch number(std::string name) {
    return Scratch(builder_, std::move(name), ir::DType::kFloat32, size_);
  }

  std::array<E, 5> read(E batch, E i) {
    std::array<E, 4> x;
    for (int64_t k = 0; k < 4; ++k) {
      x[k] = builder_.let("x", scope_.load(0, std::array{batch, i, builder_.integer(k)}));
    }
    if (scope_.attrs().flag("center")) {
      const E half_height = x[3] / 2, half_width = x[2] / 2;
      return {x[1] - half_height, x[0] - half_width, x[1] + half_height, x[0] + half_width,
              x[2] * x[3]};
    }
    const E top = builder_.let("top", builder_.min(x[0], x[2]));
    const E left = builder_.let("left", builder_.min(x[1], x[3]));
    const E bottom = builder_.let("bottom", builder_.max(x[0], x[2]));
    const E right = builder_.let("right", builder_.max(x[1], x[3]));
    return {top, left, bottom, right, (bottom - top) * (right - left)};
  }

  ir::LoopScope& scope_;
  ir::LoopBuilder& builder_;
  E size_;
  Scratch scores_, places_;
  std::array<Scratch, 5> numbers_;
  ir::R count_;
};

void to_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.operand_type(1));
  const E zero = builder.integer(0), one = builder.integer(1);
  const E total = scope.dim(scope.result_type(0).dims[0]);
  const E most = builder.min(scope.dim(scope.attrs().dims("most")[0]), extents[2]);
  builder.tasks(one);
  const ir::R count = builder.let_register("count", zero);
  Candidates candidates(scope, extents[2]);
  const auto store_row = [&](E row, std::array<E, 3> numbers) {
    for (int64_t k = 0; k < 3; ++k) scope.store(0, std::array{row, builder.integer(k)}, numbers[k]);
  };
  builder.loop("batch", extents[0], [&](E batch) {
    builder.loop("kind", extents[1], [&](E kind) {
      candidates.collect(batch, kind);
      const E rounds = builder.let("rounds", builder.min(most, candidates.count()));
      const ir::R any_left = builder.let_register("any_left", one);
      builder.loop("round", rounds, [&](E) {
        builder.if_then(E(any_left) == 1, [&] {
          const E best = builder.let("score", candidates.best());
          builder.if_then(
              best > candidates.gone(),
              [&] {
                const E kept = builder.let("kept", candidates.find(best));
                store_row(count, {batch, kind, candidates.place(kept)});
                builder.assign(count, count + one);
                candidates.drop(kept);
              },
              [&] { builder.assign(any_left, zero); });
        });
      });
    });
  });
  builder.loop("rest", count, total, 1, [&](E rest) { store_row(rest, {zero, zero, zero}); });
  scope.store(1, {}, count);
}

}  // namespace

template <>
Operator define<ir::Op::kNonMaxSuppression>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
