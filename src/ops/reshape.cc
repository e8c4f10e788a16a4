#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<ir::Dim>& dims = context.attrs.dims("dims");
  ir::Dim difference = context.dims.sub(context.dims.product(x.dims), context.dims.product(dims));
  // A difference that no normal form decides is left to the evaluation: sizes with divisions in
  // them come from models that computed them from the shape itself.
  if (difference.is_constant() && !difference.is(0)) {
    return wrong("{} does not have as many elements as {}", shape_text(context.dims, x.dims),
                 shape_text(context.dims, dims));
  }
  return std::vector{ir::TensorType{x.dtype, dims}};
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  if (x.count() != result.count()) {
    return wrong("{} elements do not fill [{}]", x.count(), fmt::join(result.shape(), ", "));
  }
  std::memcpy(result.bytes(), x.bytes(), x.byte_count());
  return {};
}

/// Axes of the operand and of the result that hold the same elements: [from, from_end) of one are
/// [to, to_end) of the other.
struct Match {
  size_t from, from_end, to, to_end;
};

/// The finest matches that numbers and equal dims show.
std::vector<Match> match_axes(std::span<const ir::Dim> from, std::span<const ir::Dim> to) {
  std::vector<Match> matches;
  size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    Match match{i, i, j, j};
    if (i < from.size() && j < to.size() && from[i] == to[j]) {
      match.from_end = ++i;
      match.to_end = ++j;
    } else {
      int64_t left = 1, right = 1;
      bool numbers = true;
      auto take = [&](std::span<const ir::Dim> dims, size_t& position, int64_t& product) {
        numbers = numbers && dims[position].is_constant();
        product *= numbers ? dims[position].value() : 1;
        ++position;
      };
      do {
        if (i < from.size() && (left <= right || j == to.size())) {
          take(from, i, left);
        } else {
          take(to, j, right);
        }
      } while ((!numbers || left != right) && (i < from.size() || j < to.size()));
      match.from_end = i;
      match.to_end = j;
    }
    matches.push_back(match);
  }
  return matches;
}

/// The operand's index, where index has the result's.
std::vector<ir::E> source_index(ir::LoopScope& scope, std::span<const Match> matches,
                                std::span<const ir::E> index) {
  std::span<const ir::Dim> from = scope.operand_type(0).dims;
  std::span<const ir::Dim> to = scope.result_type(0).dims;
  std::vector<ir::E> result(from.size(), scope.builder().integer(0));
  for (const Match& match : matches) {
    ir::E linear = scope.builder().integer(0);
    for (size_t i = match.to; i < match.to_end; ++i) linear = linear * scope.dim(to[i]) + index[i];
    for (size_t i = match.from_end; i-- > match.from;) {
      ir::E extent = scope.dim(from[i]);
      result[i] = i == match.from ? linear : linear % extent;
      linear = i == match.from ? linear : linear / extent;
    }
  }
  return result;
}

void to_loops(ir::LoopScope& scope) {
  std::span<const ir::Dim> from = scope.operand_type(0).dims;
  std::span<const ir::Dim> to = scope.result_type(0).dims;
  std::vector<Match> matches = match_axes(from, to);
  for_each_row(scope, [&](std::vector<ir::E>& index, const Row& row) {
    const auto axis = static_cast<size_t>(std::max(row.axis, 0));
    for (const Match& match : matches) {
      // The innermost axis of a match, a whole number of times in the operand's: only its start
      // takes divisions, outside of the loop.
      if (row.axis < 0 || match.to_end != axis + 1 || match.from_end == match.from) continue;
      ir::Dim inner = from[match.from_end - 1];
      if (!inner.is_constant() || !to[axis].is_constant() || to[axis].is(0) ||
          inner.value() % to[axis].value() != 0) {
        continue;
      }
      index[axis] = scope.builder().integer(0);
      std::vector<ir::E> base = source_index(scope, matches, index);
      for (ir::E& position : base) {
        position = scope.builder().let("from", position);
      }
      ir::E start = base[match.from_end - 1];
      for_each_in(scope.builder(), index, row, [&](std::span<const ir::E> at) {
        base[match.from_end - 1] = start + at[axis];
        scope.store(0, at, scope.load(0, base));
      });
      return;
    }
    for_each_in(scope.builder(), index, row, [&](std::span<const ir::E> at) {
      scope.store(0, at, scope.load(0, source_index(scope, matches, at)));
    });
  });
}

}  // namespace

template <>
Operator define<ir::Op::kReshape>() {
  return {infer, evaluate, to_loops, {.view = true}};
}

}  // namespace tenon::ops
