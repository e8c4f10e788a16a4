#include "ops/index_range.h"

#include <algorithm>

#include "base/result.h"

namespace tenon::ops {
namespace {

using ir::Dim;
using ir::Dims;
using ir::ExprKind;

/// Whether dim >= 0 follows when up to so many of its terms are replaced by less.
bool never_negative(Dims& dims, Dim dim, int replacements) {
  if (dims.never_negative(dim)) return true;
  if (replacements == 0) return false;
  for (const ir::Term& term : dims.terms(dim)) {
    if (term.coefficient >= 0 || term.atoms.size() != 1) continue;
    const ir::Atom atom = dims.atom(term.atoms[0]);
    if (!atom.b.is_constant() || atom.b.value() <= 0) continue;
    Dim whole, less;
    if (atom.kind == ir::AtomKind::kFloorDiv && term.coefficient % atom.b.value() == 0) {
      whole = dims.floor_div(atom.a, atom.b);
      less = dims.mul(atom.a, term.coefficient / atom.b.value());
    } else if (atom.kind == ir::AtomKind::kMod) {
      whole = dims.mod(atom.a, atom.b);
      less = dims.mul(atom.b.value() - 1, term.coefficient);
    } else {
      continue;
    }
    const Dim rest = dims.sub(dim, dims.mul(whole, term.coefficient));
    return never_negative(dims, dims.add(rest, less), replacements - 1);
  }
  return false;
}

}  // namespace

void IndexRanges::set_counter(ir::ExprId parameter, std::optional<Dim> end) {
  set(parameter, {Dim(0), both(&Dims::sub, end, Dim(1))});
}

IndexRange IndexRanges::of(ir::ExprId id) {
  const auto known = known_.find(id.index);
  if (known != known_.end()) return known->second;
  try {
    return known_[id.index] = compute(function_.expr(id));
  } catch (const InternalError&) {
    // Arithmetic on sizes that overflows; nothing is known then.
    return known_[id.index] = {};
  }
}

bool IndexRanges::inside(ir::ExprId id, Dim extent) {
  constexpr int kReplacements = 4;
  const IndexRange range = of(id);
  if (!range.low || !range.high) return false;
  try {
    const Dim room = dims_.sub(dims_.sub(extent, 1), *range.high);
    return never_negative(dims_, *range.low, kReplacements) &&
           never_negative(dims_, room, kReplacements);
  } catch (const InternalError&) {
    return false;
  }
}

std::optional<Dim> IndexRanges::both(Operation operation, std::optional<Dim> a,
                                     std::optional<Dim> b) {
  if (!a || !b) return std::nullopt;
  try {
    return (dims_.*operation)(*a, *b);
  } catch (const InternalError&) {
    return std::nullopt;  // it overflows
  }
}

/// Sums and products may wrap around on their way to a value that fits, but what divides or
/// compares must see the value itself: whether a number of this range takes well below 64 bits for
/// all tensors that fit into memory.
bool IndexRanges::is_small(const IndexRange& range) const {
  constexpr int64_t kLargestFactor = 1 << 14, kLargestNumber = int64_t{1} << 60;
  constexpr size_t kMostTerms = 4;
  const auto small = [&](std::optional<Dim> dim) {
    if (!dim) return false;
    const std::vector<ir::Term> terms = dims_.terms(*dim);
    return terms.size() <= kMostTerms && std::ranges::all_of(terms, [&](const ir::Term& term) {
             const int64_t most = term.atoms.empty() ? kLargestNumber : kLargestFactor;
             return term.atoms.size() <= 1 && -most <= term.coefficient && term.coefficient <= most;
           });
  };
  return small(range.low) && small(range.high);
}

IndexRange IndexRanges::times(const IndexRange& a, const IndexRange& factor) {
  if (!factor.low || factor.low != factor.high) return {};
  const IndexRange product = {both(&Dims::mul, a.low, factor.low),
                              both(&Dims::mul, a.high, factor.high)};
  if (dims_.never_negative(*factor.low)) return product;
  if (factor.low->is_constant()) return {product.high, product.low};
  return {};
}

IndexRange IndexRanges::compute(const ir::Expr& expr) {
  if (expr.type != ir::VectorType{}) return {};
  if (expr.kind == ExprKind::kInteger) return {Dim(expr.bits), Dim(expr.bits)};
  const auto range_of = [&](ir::ExprId id) { return id ? of(id) : IndexRange(); };
  const IndexRange a = range_of(expr.a), b = range_of(expr.b);
  // Of the divisions those by a number above 0, where nothing has wrapped around.
  const bool divides = b.low && b.low == b.high && b.low->is_constant() && b.low->value() > 0;
  const bool is_natural = a.low && dims_.never_negative(*a.low);
  switch (expr.kind) {
    case ExprKind::kNeg: return times(a, {Dim(-1), Dim(-1)});
    case ExprKind::kAdd: return {both(&Dims::add, a.low, b.low), both(&Dims::add, a.high, b.high)};
    case ExprKind::kSub: return {both(&Dims::sub, a.low, b.high), both(&Dims::sub, a.high, b.low)};
    case ExprKind::kMul: {
      const IndexRange product = times(a, b);
      return product.low ? product : times(b, a);
    }
    case ExprKind::kDiv:
    case ExprKind::kFloorDiv:
      if (!divides || !is_small(a) || (expr.kind == ExprKind::kDiv && !is_natural)) return {};
      return {dims_.floor_div(*a.low, *b.low), dims_.floor_div(*a.high, *b.low)};
    case ExprKind::kRem:
      if (!is_small(a) || !is_natural) return {};
      [[fallthrough]];
    case ExprKind::kFloorMod:
      if (!divides) return {};
      return {Dim(0), dims_.sub(*b.low, 1)};
    case ExprKind::kMin:
      if (!is_small(a) || !is_small(b)) return {};
      return {dims_.min(*a.low, *b.low), dims_.min(*a.high, *b.high)};
    case ExprKind::kMax:
      if (!is_small(a) || !is_small(b)) return {};
      return {dims_.max(*a.low, *b.low), dims_.max(*a.high, *b.high)};
    default: return {};
  }
}

}  // namespace tenon::ops
