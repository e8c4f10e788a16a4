#include "passes/loop/integer_ranges.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

namespace {

using enum ExprKind;

/// All numbers where a bound does not fit, so that the value may have wrapped around.
IntegerRange bounds(std::initializer_list<__int128> ends) {
  const auto [low, high] = std::minmax(ends);
  const IntegerRange all;
  if (low < all.low || high > all.high) return all;
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

}  // namespace

IntegerRanges::IntegerRanges(const Function& function)
    : function_(function), defined_by_(function.variables.size()) {
  for (const Statement& s : function.statements) {
    const bool defines = s.kind == StatementKind::kLet || s.kind == StatementKind::kFor;
    if (defines && !function.variable(s.variable).is_register) defined_by_[s.variable.index] = &s;
  }
}

IntegerRange IntegerRanges::of(ExprId id) {
  const Expr& expr = function_.expr(id);
  if (expr.type != VectorType{}) return {};
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  return known_[id] = compute(expr);
}

IntegerRange IntegerRanges::of_variable(VariableId variable) {
  if (variable == function_.task) {
    return {0, std::max<int64_t>(of(function_.task_count).high, 1) - 1};
  }
  const Statement* s = defined_by_[variable.index];
  if (!s) return {};
  if (s->kind == StatementKind::kLet) return of(s->value);
  const IntegerRange begin = of(s->index), end = of(s->value);
  return {begin.low, std::max(begin.low, end.high - (end.high > IntegerRange().low))};
}

IntegerRange IntegerRanges::compute(const Expr& expr) {
  if (expr.kind == kInteger) return {expr.bits, expr.bits};
  if (expr.kind == kVariable) return of_variable(VariableId(static_cast<size_t>(expr.bits)));
  if (expr.kind == kSelect) {
    const IntegerRange b = of(expr.b), c = of(expr.c);
    return {std::min(b.low, c.low), std::max(b.high, c.high)};
  }
  if (!is_binary(expr.kind)) return {};
  const IntegerRange a = of(expr.a), b = of(expr.b);
  const bool divides = a.low >= 0 && b.low > 0;
  switch (expr.kind) {
    case kAdd: return bounds({__int128{a.low} + b.low, __int128{a.high} + b.high});
    case kSub: return bounds({__int128{a.low} - b.high, __int128{a.high} - b.low});
    case kMul:
      return bounds({__int128{a.low} * b.low, __int128{a.low} * b.high, __int128{a.high} * b.low,
                     __int128{a.high} * b.high});
    case kDiv:
    case kFloorDiv:
      if (!divides) return {};
      return {a.low / b.high, a.high / b.low};
    case kRem:
    case kFloorMod:
      if (!divides) return {};
      return {0, std::min(a.high, b.high - 1)};
    case kMin: return {std::min(a.low, b.low), std::min(a.high, b.high)};
    case kMax: return {std::max(a.low, b.low), std::max(a.high, b.high)};
    default: return {};
  }
}

}  // namespace tenon::passes
