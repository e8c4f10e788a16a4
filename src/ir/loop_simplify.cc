#include <functional>

#include "ir/loop_builder.h"
#include "ir/loop_constant.h"

namespace tenon::ir {
namespace {

using enum ExprKind;

bool is_commutative(ExprKind kind) {
  switch (kind) {
    case kAdd:
    case kMul:
    case kMin:
    case kMax:
    case kAnd:
    case kOr:
    case kXor:
    case kEq:
    case kNe: return true;
    default: return false;
  }
}

/// The result of `kind` on two equal integers, where it does not depend on their value.
std::optional<int64_t> on_equals(ExprKind kind) {
  switch (kind) {
    case kSub:
    case kXor:
    case kNe:
    case kLt: return 0;
    case kEq:
    case kLe: return 1;
    default: return std::nullopt;
  }
}

/// Of a quotient the remainder of the same division, and the other way round.
std::optional<ExprKind> other_half(ExprKind kind) {
  switch (kind) {
    case kDiv: return kRem;
    case kRem: return kDiv;
    case kFloorDiv: return kFloorMod;
    case kFloorMod: return kFloorDiv;
    default: return std::nullopt;
  }
}

}  // namespace

// x % d * r + x / d * q is x * r + x / d * (q - r * d): no remainder, and no division either where
// rows of d lie one behind another. With positive numbers only, so that ranges stay as narrow.
std::optional<E> LoopBuilder::join_remainder(E sum, E term) {
  struct Scaled {
    E value;
    int64_t factor;
  };
  auto scaled = [&](E e) -> Scaled {
    const Expr product = at(e);
    if (product.kind != kMul || !is_constant(at({this, product.b}))) return {e, 1};
    return {{this, product.a}, at({this, product.b}).bits};
  };
  const Scaled one = scaled(term);
  const Expr division = at(one.value);
  const std::optional<ExprKind> partner = other_half(division.kind);
  if (!partner || !is_constant(at({this, division.b}))) return std::nullopt;

  // The sum with the partner's term, where there is one, and this term as the two joined.
  std::function<std::optional<E>(E)> join = [&](E e) -> std::optional<E> {
    const Expr node = at(e);
    if (node.kind == kAdd) {
      const E a{this, node.a}, b{this, node.b};
      if (auto joined = join(b)) return a + *joined;
      if (auto joined = join(a)) return *joined + b;
      return std::nullopt;
    }
    const Scaled other = scaled(e);
    const Expr found = at(other.value);
    if (found.kind != *partner || found.a != division.a || found.b != division.b) return {};
    const bool is_quotient = division.kind == kDiv || division.kind == kFloorDiv;
    const auto& [quotient, row_step] = is_quotient ? one : other;
    const int64_t step = (is_quotient ? other : one).factor;
    const int64_t divisor = at({this, division.b}).bits;
    int64_t row = 0;
    if (divisor <= 0 || step <= 0 || __builtin_mul_overflow(step, divisor, &row)) return {};
    if (row_step < row) return {};
    return E{this, division.a} * step + quotient * (row_step - row);
  };
  return join(sum);
}

// Sums and products are modulo 2^width, so they associate and distribute exactly.
std::optional<E> LoopBuilder::simplify(ExprKind kind, E a, E b) {
  auto left = a.constant(), right = b.constant();
  if (left && right) return std::nullopt;
  VectorType type = a.type();
  auto constant = [&](int64_t value) { return expr(integer_constant(value, type)); };
  if (left && is_commutative(kind)) return binary(kind, b, a);
  if (a.id == b.id) {
    if (kind == kMin || kind == kMax || kind == kAnd || kind == kOr) return a;
    VectorType result = is_compare(kind) ? type.with(DType::kBool) : type;
    if (auto known = on_equals(kind)) return expr(integer_constant(*known, result));
  }

  // x op constant as {x, constant}, else {e, neutral}.
  struct Split {
    E rest;
    int64_t constant;
  };
  auto split = [&](ExprKind op, E e, int64_t neutral) -> Split {
    Expr sum = at(e);
    if (sum.kind == op && is_constant(at({this, sum.b})))
      return {{this, sum.a}, at({this, sum.b}).bits};
    return {e, neutral};
  };
  auto wrapping = [](ExprKind op, int64_t x, int64_t y) {
    auto ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
    return static_cast<int64_t>(op == kAdd ? ux + uy : op == kSub ? ux - uy : ux * uy);
  };

  switch (kind) {
    case kSub:
      if (right) return a + constant(wrapping(kSub, 0, *right));
      [[fallthrough]];
    case kAdd: {
      if (right == 0) return a;
      if (left == 0) return -b;  // a constant on the left: kSub only
      auto [x, c] = split(kAdd, a, 0);
      if (right && c != 0) return x + constant(wrapping(kAdd, c, *right));
      if (right) return std::nullopt;
      if (kind == kAdd) {
        if (auto joined = join_remainder(a, b)) return joined;
      }
      auto [y, d] = split(kAdd, b, 0);
      if (c == 0 && d == 0) return std::nullopt;
      if (left) return constant(wrapping(kSub, *left, d)) - y;
      return binary(kind, x, y) + constant(wrapping(kind, c, d));
    }
    case kMul: {
      if (right == 0) return b;
      if (right == 1) return a;
      if (!right) return std::nullopt;
      if (auto [x, c] = split(kMul, a, 1); c != 1) return x * constant(wrapping(kMul, c, *right));
      if (auto [x, c] = split(kAdd, a, 0); c != 0) {
        return x * constant(*right) + constant(wrapping(kMul, c, *right));
      }
      return std::nullopt;
    }
    case kDiv:
    case kFloorDiv:
      if (right == 1) return a;
      return std::nullopt;
    case kRem:
    case kFloorMod:
      if (right == 1) return constant(0);
      return std::nullopt;
    case kShl:
    case kShr:
      if (right == 0) return a;
      return std::nullopt;
    case kAnd:
      if (right == 0) return b;
      if (right && b.id == constant(-1).id) return a;
      return std::nullopt;
    case kOr:
      if (right == 0) return a;
      if (right && b.id == constant(-1).id) return b;
      return std::nullopt;
    case kXor:
      if (right == 0) return a;
      return std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace tenon::ir
