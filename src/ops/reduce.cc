// reduce: combines the elements along `axes` (no axes: of one element each); `keep` leaves them as
// 1. Kinds: sum, mean, max, min, prod, sum_square, l1 of numbers; max, min, any, all of bools. Over
// no elements: 0 for sums, 1 for prod, the type's extremes for max and min, NaN for mean.
// arg_reduce: index of the greatest (`max`) or least (`min`) element along one axis as i64, of
// several equal ones the first or with `last` the last.
#include <algorithm>
#include <limits>
#include <optional>
#include <ranges>

#include "ops/compute.h"
#include "ops/element.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

enum class Kind { kSum, kMean, kMax, kMin, kProd, kSumSquare, kL1, kAny, kAll };

constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"sum", Kind::kSum}, {"mean", Kind::kMean}, {"max", Kind::kMax},
    {"min", Kind::kMin}, {"prod", Kind::kProd}, {"sum_square", Kind::kSumSquare},
    {"l1", Kind::kL1},   {"any", Kind::kAny},   {"all", Kind::kAll}};

std::optional<Kind> find_kind(std::string_view text) {
  for (const auto& [name, kind] : kKinds) {
    if (name == text) return kind;
  }
  return std::nullopt;
}

Kind kind_of(const ir::Attrs& attrs) { return find_kind(attrs.text("kind")).value(); }

bool takes_bools(Kind kind) { return kind == Kind::kAny || kind == Kind::kAll; }

std::vector<ir::Dim> reduced_dims(const std::vector<ir::Dim>& dims, std::span<const int64_t> axes,
                                  bool keep) {
  std::vector<ir::Dim> result;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (std::ranges::find(axes, static_cast<int64_t>(i)) == axes.end()) {
      result.push_back(dims[i]);
    } else if (keep) {
      result.emplace_back(1);
    }
  }
  return result;
}

Inferred infer_reduce(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::optional<Kind> kind = find_kind(context.attrs.text("kind"));
  if (!kind) return wrong("unknown kind of reduction \"{}\"", context.attrs.text("kind"));
  const bool is_bool = x.dtype == ir::DType::kBool;
  if (is_bool ? !takes_bools(*kind) && *kind != Kind::kMax && *kind != Kind::kMin
              : takes_bools(*kind)) {
    return wrong("{} does not reduce {}", context.attrs.text("kind"), ir::to_string(x.dtype));
  }
  if (*kind == Kind::kMean && ir::is_integer(x.dtype) && ir::size_of(x.dtype) < 4) {
    return wrong("the mean of {} is not defined: its sum overflows", ir::to_string(x.dtype));
  }
  const std::vector<int64_t>& axes = context.attrs.integers("axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < 0 || axes[i] >= static_cast<int64_t>(x.rank())) {
      return wrong("axis {} is not in [0, {})", axes[i], x.rank());
    }
    if (i > 0 && axes[i] <= axes[i - 1]) return wrong("axes must ascend without repetition");
  }
  return std::vector{
      ir::TensorType{x.dtype, reduced_dims(x.dims, axes, context.attrs.flag("keep"))}};
}

Inferred infer_arg_reduce(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::string& kind = context.attrs.text("kind");
  if (kind != "max" && kind != "min") return wrong("unknown kind of reduction \"{}\"", kind);
  TENON_TRY(const size_t axis, axis_of(context.attrs, x.rank()));
  if (x.dims[axis].is(0)) return wrong("axis {} has no elements", axis);
  const int64_t axes[] = {static_cast<int64_t>(axis)};
  return std::vector{
      ir::TensorType{ir::DType::kInt64, reduced_dims(x.dims, axes, context.attrs.flag("keep"))}};
}

/// For each axis of x how far one step goes in the result: 0 along reduced axes.
std::vector<int64_t> result_strides(const std::vector<int64_t>& shape,
                                    std::span<const int64_t> axes) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (std::ranges::find(axes, static_cast<int64_t>(i)) != axes.end()) continue;
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/// Calls `body(element of x, element of the result)` in ascending order of the former.
template <class Body>
void for_each_pair(const Tensor& x, std::span<const int64_t> axes, Body&& body) {
  const std::vector<int64_t>& shape = x.shape();
  const std::vector<int64_t> strides = result_strides(shape, axes);
  std::vector<int64_t> index(shape.size());
  int64_t target = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    body(i, target);
    for (size_t axis = shape.size(); axis-- > 0;) {
      target += strides[axis];
      if (++index[axis] < shape[axis]) break;
      target -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/// Combines every element of the result's type T with `step(combined, element)`: floats combine in
/// double, integers modulo 2^64, which has their own wrapping.
template <class T, class Step>
void accumulate(EvaluateContext& context, int first, Step&& step) {
  using Sum = std::conditional_t<std::integral<T>, uint64_t, double>;
  const std::span<const T> x = context.operands[0]->as<T>();
  const std::span<T> result = context.results[0]->as<T>();
  std::vector<Sum> sums(result.size(), static_cast<Sum>(first));
  for_each_pair(
      *context.operands[0], context.attrs.integers("axes"), [&](int64_t i, int64_t target) {
        sums[target] = step(sums[target], static_cast<Sum>(static_cast<Compute<T>>(x[i])));
      });
  std::ranges::transform(sums, result.begin(), [](Sum sum) { return static_cast<T>(sum); });
}

/// Keeps the element that is the greatest or least; `first` is below or above all.
template <class T>
void find_extreme(EvaluateContext& context, bool greatest) {
  using Limits = std::numeric_limits<Compute<T>>;
  const auto low = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  const auto high = Limits::has_infinity ? Limits::infinity() : Limits::max();
  const std::span<const T> x = context.operands[0]->as<T>();
  const std::span<T> result = context.results[0]->as<T>();
  std::ranges::fill(result, static_cast<T>(greatest ? low : high));
  for_each_pair(*context.operands[0], context.attrs.integers("axes"),
                [&](int64_t i, int64_t target) {
                  T& best = result[target];
                  if (greatest ? x[i] > best : x[i] < best) best = x[i];
                });
}

int64_t reduced_count(const EvaluateContext& context) {
  int64_t count = 1;
  for (int64_t axis : context.attrs.integers("axes")) count *= context.operands[0]->shape()[axis];
  return count;
}

template <class T>
void divide(Tensor& sums, int64_t count) {
  for (T& sum : sums.as<T>()) {
    using C = Compute<T>;
    if constexpr (std::integral<T>) {
      sum = count == 0 ? T{} : static_cast<T>(sum / static_cast<C>(count));
    } else {
      sum = static_cast<T>(static_cast<C>(sum) / static_cast<C>(count));
    }
  }
}

template <class T>
void reduce(EvaluateContext& context) {
  switch (kind_of(context.attrs)) {
    case Kind::kMax:
    case Kind::kAny: return find_extreme<T>(context, true);
    case Kind::kMin:
    case Kind::kAll: return find_extreme<T>(context, false);
    case Kind::kSum: return accumulate<T>(context, 0, [](auto sum, auto x) { return sum + x; });
    case Kind::kProd: return accumulate<T>(context, 1, [](auto sum, auto x) { return sum * x; });
    case Kind::kMean:
      accumulate<T>(context, 0, [](auto sum, auto x) { return sum + x; });
      return divide<T>(*context.results[0], reduced_count(context));
    case Kind::kSumSquare:
      return accumulate<T>(context, 0, [](auto sum, auto x) { return sum + x * x; });
    case Kind::kL1:
      return accumulate<T>(context, 0, [](auto sum, auto x) {
        if constexpr (std::floating_point<decltype(x)>) {
          return sum + std::abs(x);
        } else {
          const bool negative = std::signed_integral<T> && (x >> 63) != 0;
          return negative ? sum - x : sum + x;
        }
      });
  }
}

Evaluated evaluate_reduce(EvaluateContext& context) {
  dispatch(context.operands[0]->dtype(), [&]<class T>() { reduce<T>(context); });
  return {};
}

Evaluated evaluate_arg_reduce(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const size_t axis = static_cast<size_t>(context.attrs.integer("axis"));
  const int64_t stride = dense_strides(x.shape())[axis], size = x.shape()[axis];
  const bool greatest = context.attrs.text("kind") == "max", last = context.attrs.flag("last");
  const std::span<int64_t> result = context.results[0]->as<int64_t>();
  dispatch(x.dtype(), [&]<class T>() {
    for (int64_t target = 0; target < std::ssize(result); ++target) {
      const T* line = x.as<T>().data() + target / stride * stride * size + target % stride;
      int64_t best = 0;
      for (int64_t i = 1; i < size; ++i) {
        const Compute<T> element = line[i * stride], other = line[best * stride];
        const bool better = greatest ? element > other : element < other;
        if (better || (last && element == other)) best = i;
      }
      result[target] = best;
    }
  });
  return {};
}

/// What the loops of a reduction work on: x's axes, some of them reduced.
struct Reduction {
  ir::LoopScope& scope;
  ir::LoopBuilder& builder = scope.builder();
  std::vector<E> extents = extents_of(scope, scope.operand_type(0));
  std::vector<int> kept = {}, reduced = {};  ///< axes of x, outermost in memory first
  int row_axis = -1;  ///< a kept axis that is innermost in memory; -1: the innermost is reduced

  Reduction(ir::LoopScope& scope, std::span<const int64_t> axes) : scope(scope) {
    const std::vector<int> order = scope.operand_order(0);
    for (int axis : order) {
      (std::ranges::find(axes, axis) == axes.end() ? kept : reduced).push_back(axis);
    }
    const int inner = innermost_axis(order, extents);
    if (std::ranges::find(kept, inner) != kept.end()) row_axis = inner;
  }

  /// The result's index for an index of x.
  std::vector<E> target(std::span<const E> index) const {
    const bool keep = scope.attrs().flag("keep");
    std::vector<E> result;
    for (int axis = 0; axis < std::ssize(index); ++axis) {
      const bool is_reduced = std::ranges::find(reduced, axis) != reduced.end();
      if (!is_reduced) result.push_back(index[axis]);
      if (is_reduced && keep) result.push_back(builder.integer(0));
    }
    return result;
  }
};

struct ReduceStep {
  E first;
  std::function<E(E, E)> combine;
};

ReduceStep step_of(ir::LoopBuilder& builder, Kind kind, ir::DType dtype) {
  const auto zero = [&] { return builder.literal(0, {dtype}); };
  const bool is_bool = dtype == ir::DType::kBool;
  switch (kind) {
    case Kind::kMax:
    case Kind::kAny:
      return {lowest(builder, dtype),
              [&builder, is_bool](E a, E x) { return is_bool ? a | x : builder.max(a, x); }};
    case Kind::kMin:
    case Kind::kAll:
      return {highest(builder, dtype),
              [&builder, is_bool](E a, E x) { return is_bool ? a & x : builder.min(a, x); }};
    case Kind::kProd: return {builder.literal(1, {dtype}), [](E a, E x) { return a * x; }};
    case Kind::kSumSquare:
      return {zero(), [&builder](E a, E x) { return multiply_add(builder, x, x, a); }};
    case Kind::kL1:
      if (ir::is_unsigned(dtype)) break;
      return {zero(), [&builder](E a, E x) { return a + builder.unary(ir::ExprKind::kAbs, x); }};
    case Kind::kSum:
    case Kind::kMean: break;
  }
  return {zero(), [](E a, E x) { return a + x; }};
}

void reduce_loops(ir::LoopScope& scope) {
  const Reduction reduction(scope, scope.attrs().integers("axes"));
  const std::vector<E>& extents = reduction.extents;
  ir::LoopBuilder& builder = scope.builder();
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const Kind kind = kind_of(scope.attrs());
  const ReduceStep step = step_of(builder, kind, dtype);
  const auto finish = [&](E combined) {
    if (kind != Kind::kMean) return combined;
    E count = builder.integer(1);
    for (int axis : reduction.reduced) count = count * extents[axis];
    return combined / builder.cast(count, dtype);
  };
  if (reduction.row_axis < 0) {
    std::vector<E> index = tasks_over(builder, extents, reduction.kept);
    const ir::R combined = builder.let_register("combined", step.first);
    // Vectors of bools do not combine into one.
    const ir::LoopKind loop =
        dtype == ir::DType::kBool ? ir::LoopKind::kSerial : ir::LoopKind::kVector;
    loop_over(builder, extents, reduction.reduced, index, loop,
              [&] { builder.assign(combined, step.combine(combined, scope.load(0, index))); });
    scope.store(0, reduction.target(index), finish(combined));
    return;
  }
  const int inner = reduction.row_axis;
  std::vector<E> index = tasks_over(builder, extents, without(reduction.kept, inner));
  Scratch row(builder, "row", dtype, extents[inner]);
  row.fill(step.first);
  std::vector<int> loops = reduction.reduced;
  loops.push_back(inner);
  loop_over(builder, extents, loops, index, ir::LoopKind::kVector,
            [&] { row.set(index[inner], step.combine(row[index[inner]], scope.load(0, index))); });
  loop_over(builder, extents, std::vector{inner}, index, ir::LoopKind::kVector,
            [&] { scope.store(0, reduction.target(index), finish(row[index[inner]])); });
}

void arg_reduce_loops(ir::LoopScope& scope) {
  const int64_t axis = scope.attrs().integer("axis");
  const Reduction reduction(scope, std::span(&axis, 1));
  const std::vector<E>& extents = reduction.extents;
  ir::LoopBuilder& builder = scope.builder();
  const bool greatest = scope.attrs().text("kind") == "max", last = scope.attrs().flag("last");
  const auto better = [&](E x, E best) {
    const E less = greatest ? best : x, more = greatest ? x : best;
    return last ? less <= more : less < more;
  };
  const auto load = [&](std::vector<E>& index, E i) {
    index[axis] = i;
    return scope.load(0, index);
  };
  const E zero = builder.integer(0), one = builder.integer(1);
  const ir::DType dtype = ir::compute_type(scope.operand_type(0).dtype);
  if (reduction.row_axis < 0) {
    std::vector<E> index = tasks_over(builder, extents, reduction.kept);
    const ir::R best = builder.let_register("best", load(index, zero));
    const ir::R position = builder.let_register("position", zero);
    builder.loop("i", one, extents[axis], 1, [&](E i) {
      const E x = builder.let("x", load(index, i));
      const E take = builder.let("take", better(x, best));
      builder.assign(best, builder.select(take, x, best));
      builder.assign(position, builder.select(take, i, position));
    });
    scope.store(0, reduction.target(index), position);
    return;
  }
  const int inner = reduction.row_axis;
  std::vector<E> index = tasks_over(builder, extents, without(reduction.kept, inner));
  Scratch best(builder, "best", dtype, extents[inner]);
  Scratch position(builder, "position", ir::DType::kInt64, extents[inner]);
  const auto for_each_in_row = [&](const std::function<void(E)>& body) {
    loop_over(builder, extents, std::vector{inner}, index, ir::LoopKind::kVector,
              [&] { body(index[inner]); });
  };
  for_each_in_row([&](E j) {
    best.set(j, load(index, zero));
    position.set(j, zero);
  });
  builder.loop("i", one, extents[axis], 1, [&](E i) {
    for_each_in_row([&](E j) {
      const E x = builder.let("x", load(index, i));
      const E take = builder.let("take", better(x, best[j]));
      position.set(j, builder.select(take, i, position[j]));
      best.set(j, builder.select(take, x, best[j]));
    });
  });
  for_each_in_row([&](E j) { scope.store(0, reduction.target(index), position[j]); });
}

}  // namespace

template <>
Operator define<ir::Op::kReduce>() {
  return {infer_reduce, evaluate_reduce, reduce_loops};
}

template <>
Operator define<ir::Op::kArgReduce>() {
  return {infer_arg_reduce, evaluate_arg_reduce, arg_reduce_loops};
}

}  // namespace tenon::ops
