// Reductions and scans.
#include <algorithm>
#include <cmath>

#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// Which axes go, and whether they stay as axes of one; without either in the signature: all.
struct Reduced {
  std::vector<int64_t> axes;
  bool keep = false;
};

Result<Reduced> reduced_of(NodeContext& node, ValueId x) {
  const int64_t rank = node.emitter().rank(x);
  Reduced reduced;
  if (node.takes("keepdim")) reduced.keep = node.flag("keepdim");
  if (node.takes("dim")) reduced.axes = node.integers("dim");
  if (reduced.axes.empty()) {
    reduced.axes = axes_from(0, rank);
  } else if (rank == 0) {
    reduced.axes.clear();
  } else {
    TENON_TRY(reduced.axes, node.axes(std::move(reduced.axes), rank));
    std::ranges::sort(reduced.axes);
  }
  return reduced;
}

Operand reduce(NodeContext& node, const Operand& x, std::string_view kind, const Reduced& reduced) {
  if (reduced.axes.empty()) return x;
  return node.emitter().reduce(x, kind, reduced.axes, reduced.keep);
}

/// The operand in the type that the sum has.
Operand in_result_type(NodeContext& node, ValueId x) {
  const auto& result = node.result_type();
  return result ? node.emitter().cast(x, result->dtype) : Operand(x);
}

Result<void> import_kind(NodeContext& node, std::string_view kind) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  return node.finish(reduce(node, in_result_type(node, x), kind, reduced));
}

}  // namespace

Result<void> import_reduce_sum(NodeContext& node) { return import_kind(node, "sum"); }
Result<void> import_reduce_mean(NodeContext& node) { return import_kind(node, "mean"); }
Result<void> import_reduce_prod(NodeContext& node) { return import_kind(node, "prod"); }
Result<void> import_reduce_max(NodeContext& node) { return import_kind(node, "max"); }
Result<void> import_reduce_min(NodeContext& node) { return import_kind(node, "min"); }

namespace {

Result<void> import_of_bools(NodeContext& node, std::string_view kind) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  return node.finish(reduce(node, node.emitter().cast(x, DType::kBool), kind, reduced));
}

}  // namespace

Result<void> import_any(NodeContext& node) { return import_of_bools(node, "any"); }
Result<void> import_all(NodeContext& node) { return import_of_bools(node, "all"); }

namespace {

/// Where the greatest or least elements along an axis are; of all elements where no axis is given.
Operand places_of(NodeContext& node, ValueId x, std::string_view kind) {
  Emitter& emitter = node.emitter();
  const int64_t rank = emitter.rank(x);
  const bool is_one = !node.has("dim") || rank == 0;
  Operand from = x;
  int64_t axis = 0;
  if (is_one) {
    from = emitter.reshape(x, {emitter.dims().product(emitter.shape(x))});
  } else {
    TENON_TRY(axis, node.axis(node.integer("dim"), rank));
  }
  const bool keep = node.flag("keepdim");
  const Operand places = emitter.emit(
      Op::kArgReduce, {from},
      {{"kind", std::string(kind)}, {"axis", axis}, {"keep", keep && !is_one}, {"last", false}});
  const std::vector<Dim> ones(keep ? static_cast<size_t>(rank) : 0, 1);
  return is_one ? emitter.reshape(places, ones) : places;
}

Result<void> import_extreme_along(NodeContext& node, std::string_view kind) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  TENON_TRY(ValueId extreme, reduce(node, x, kind, reduced));
  TENON_TRY(ValueId places, places_of(node, x, kind));
  return node.finish_all({extreme, places});
}

Result<void> import_places(NodeContext& node, std::string_view kind) {
  TENON_TRY(ValueId x, node.tensor("self"));
  return node.finish(places_of(node, x, kind));
}

}  // namespace

Result<void> import_max_along(NodeContext& node) { return import_extreme_along(node, "max"); }
Result<void> import_min_along(NodeContext& node) { return import_extreme_along(node, "min"); }
Result<void> import_argmax(NodeContext& node) { return import_places(node, "max"); }
Result<void> import_argmin(NodeContext& node) { return import_places(node, "min"); }

namespace {

struct Moments {
  Operand mean, variance;
};

/// The mean, and the variance with `correction` taken off the number of elements.
Result<Moments> moments_of(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  double correction = 1;
  if (node.takes("correction") && node.has("correction")) {
    correction = node.number("correction");
  }
  if (node.takes("unbiased")) correction = node.flag("unbiased") ? 1 : 0;
  Dim count = 1;
  for (int64_t axis : reduced.axes) {
    count = emitter.dims().mul(count, emitter.shape(x)[static_cast<size_t>(axis)]);
  }
  const Statistics own = statistics_of(emitter, x, reduced.axes);
  Operand variance = own.variance;
  if (correction != 0) {
    TENON_TRY(ValueId size,
              emitter.cast(emitter.from_elements({DType::kInt64, {}}, {count}), emitter.dtype(x)));
    const Operand rest = emitter.with_number(Op::kSub, size, correction);
    variance = emitter.emit(Op::kMul, {variance, emitter.emit(Op::kDiv, {size, rest})});
  }
  Moments moments{own.mean, variance};
  if (!reduced.keep) {
    std::vector<Dim> dims;
    const std::vector<Dim> from = emitter.shape(x);
    for (size_t i = 0; i < from.size(); ++i) {
      if (std::ranges::count(reduced.axes, static_cast<int64_t>(i)) == 0) dims.push_back(from[i]);
    }
    moments.mean = emitter.reshape(moments.mean, dims);
    moments.variance = emitter.reshape(moments.variance, dims);
  }
  return moments;
}

}  // namespace

Result<void> import_var(NodeContext& node) {
  TENON_TRY(Moments moments, moments_of(node));
  return node.finish(moments.variance);
}

Result<void> import_std(NodeContext& node) {
  TENON_TRY(Moments moments, moments_of(node));
  return node.finish(node.emitter().emit(Op::kSqrt, {moments.variance}));
}

Result<void> import_var_mean(NodeContext& node) {
  TENON_TRY(Moments moments, moments_of(node));
  TENON_TRY(ValueId variance, moments.variance);
  TENON_TRY(ValueId mean, moments.mean);
  return node.finish_all({variance, mean});
}

Result<void> import_std_mean(NodeContext& node) {
  TENON_TRY(Moments moments, moments_of(node));
  TENON_TRY(ValueId deviation, node.emitter().emit(Op::kSqrt, {moments.variance}));
  TENON_TRY(ValueId mean, moments.mean);
  return node.finish_all({deviation, mean});
}

Result<void> import_logsumexp(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  const Operand greatest = emitter.reduce(x, "max", reduced.axes, true);
  const Operand finite = emitter.emit(
      Op::kWhere, {emitter.emit(Op::kIsInf, {greatest}, {{"negative", true}, {"positive", true}}),
                   emitter.number(0, emitter.dtype(x)), greatest});
  const Operand sum = emitter.reduce(emitter.emit(Op::kExp, {emitter.emit(Op::kSub, {x, finite})}),
                                     "sum", reduced.axes, true);
  TENON_TRY(ValueId result, emitter.emit(Op::kAdd, {emitter.emit(Op::kLog, {sum}), finite}));
  if (reduced.keep) return node.finish(result);
  return node.finish(emitter.reduce(result, "max", reduced.axes, false));
}

Result<void> import_vector_norm(NodeContext& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(Reduced reduced, reduced_of(node, x));
  const std::string_view power_name = node.takes("ord") ? "ord" : "p";
  const double power = node.has(power_name) ? node.number(power_name) : 2;
  const Operand size = emitter.emit(Op::kAbs, {in_result_type(node, x)});
  if (power == kInfinity) return node.finish(reduce(node, size, "max", reduced));
  if (power == -kInfinity) return node.finish(reduce(node, size, "min", reduced));
  if (power == 1) return node.finish(reduce(node, size, "sum", reduced));
  if (power == 2) {
    return node.finish(emitter.emit(
        Op::kSqrt, {reduce(node, emitter.emit(Op::kMul, {size, size}), "sum", reduced)}));
  }
  const Operand sum = reduce(node, emitter.with_number(Op::kPow, size, power), "sum", reduced);
  return node.finish(emitter.with_number(Op::kPow, sum, 1 / power));
}

namespace {

Result<void> import_scan(NodeContext& node, Op op) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Operand given = in_result_type(node, x);
  if (emitter.rank(x) == 0) return node.finish(given);
  return node.finish(
      emitter.emit(op, {given}, {{"axis", axis}, {"exclusive", false}, {"reverse", false}}));
}

}  // namespace

Result<void> import_cumsum(NodeContext& node) { return import_scan(node, Op::kCumSum); }
Result<void> import_cumprod(NodeContext& node) { return import_scan(node, Op::kCumProd); }

Result<void> import_topk(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  if (emitter.rank(x) == 0) return node.unsupported("a scalar");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  TENON_TRY(std::vector<ValueId> results, emitter.emit_all(Op::kTopK, {x},
                                                           {{"k", std::vector<Dim>{node.dim("k")}},
                                                            {"axis", axis},
                                                            {"largest", node.flag("largest")}}));
  return node.finish_all(results);
}

Result<void> import_sort(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  if (emitter.rank(x) == 0) return node.unsupported("a scalar");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Dim size = emitter.shape(x)[static_cast<size_t>(axis)];
  TENON_TRY(std::vector<ValueId> results, emitter.emit_all(Op::kTopK, {x},
                                                           {{"k", std::vector<Dim>{size}},
                                                            {"axis", axis},
                                                            {"largest", node.flag("descending")}}));
  return node.finish_all(results);
}

Result<void> import_diff(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  if (emitter.rank(x) == 0) return node.bad("takes a tensor with axes");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  std::vector<Operand> parts;
  if (node.has("prepend")) parts.emplace_back(node.optional_tensor("prepend"));
  parts.emplace_back(x);
  if (node.has("append")) parts.emplace_back(node.optional_tensor("append"));
  Operand result = emitter.concat(parts, axis);
  for (int64_t n = node.integer("n"); n > 0; --n) {
    TENON_TRY(ValueId from, result);
    const Dim size = emitter.shape(from)[static_cast<size_t>(axis)];
    const Op op = emitter.dtype(from) == DType::kBool ? Op::kXor : Op::kSub;
    result = emitter.emit(op, {emitter.slice(from, axis, 1, size),
                               emitter.slice(from, axis, 0, emitter.dims().sub(size, 1))});
  }
  return node.finish(std::move(result));
}

}  // namespace tenon::import::pt2
