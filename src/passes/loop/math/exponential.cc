#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr double kLog2OfE = 1.4426950408889634;

/// Arguments beyond which e^x rounds to 0 or infinity.
E limited(E x) { return is_f32(x) ? clamp(x, -105, 89) : clamp(x, -747, 710); }

/// The nearest whole number, ties to even, as it is and as an i32.
struct Whole {
  E value, n;
};

/// Of scale * x, which must not reach 2^22 in f32. Adding 1.5 * 2^23 leaves the number in the
/// lowest bits of the sum.
Whole nearest(E x, double scale) {
  if (!is_f32(x)) {
    const E value = round(x * constant(x, scale));
    return {value, cast(value, DType::kInt32)};
  }
  constexpr double kShift = 0x1.8p23;
  constexpr int64_t kShiftBits = 0x4b400000;
  const E sum = fma(x, scale, constant(x, kShift));
  return {sum - kShift, x.builder->bitcast(sum, DType::kInt32) - kShiftBits};
}

/// x = n log(2) + t with a whole i32 n and |t| <= log(2) / 2. `exact`: log(2) in two parts; else t
/// is off by n times 2e-9 in f32.
struct Reduced {
  E n, t;
};

Reduced reduce(E x, bool exact = true) {
  auto [whole, n] = nearest(x, kLog2OfE);
  const SplitConstant log2 = is_f32(x)
                                 ? SplitConstant{0.69314718246459960938, -1.9046542121259335545e-9}
                                 : SplitConstant{0.69314718055994528623, 2.3190468138462995584e-17};
  E t = fma(whole, -log2.high, x);
  if (exact) t = fma(whole, -log2.low, t);
  return {n, t};
}

/// (e^t - 1 - t) / t^2 of a reduced t.
E quotient(E t) { return polynomial(t, coefficients::kExp.of(t.type().dtype)); }

/// e^t - 1 of a reduced t.
E reduced_expm1(E t) { return fma(t * t, quotient(t), t); }

/// value * 2^n; in two steps, so that a denormal result is rounded once and 2^n may itself be out
/// of range.
E scale(E value, E n) {
  LoopBuilder& b = *value.builder;
  DType dtype = value.type().dtype;
  E half = b.binary(ExprKind::kShr, n, b.literal(1, n.type()));
  return value * power_of_two(half, dtype) * power_of_two(n - half, dtype);
}

}  // namespace

E expand_exp(E x) {
  auto [n, t] = reduce(limited(x));
  return scale(reduced_expm1(t) + 1.0, n);
}

E expand_exp(E x, E low) {
  auto [n, t] = reduce(limited(x));
  return scale(reduced_expm1(t + low) + 1.0, n);
}

// At the lower limit n is so small that 2^n has an exponent field of 0: it is zero.
E expand_softmax_exp(E x) {
  auto [n, t] = reduce(x.builder->max(constant(x, is_f32(x) ? -88.03 : -709.1), x));
  const E power = power_of_two(n, x.type().dtype);
  return fma(power, reduced_expm1(t), power);
}

E half_exp(E x) {
  auto [n, t] = reduce(is_f32(x) ? clamp(x, -105, 90) : clamp(x, -747, 711));
  return scale(reduced_expm1(t) + 1.0, n - 1);
}

// At half its size it is finite wherever e^x is; the smallest powers are lost beside the 1. Of
// processors' units those that multiply are the busiest here, so the last sum is one of additions.
E expand_exp_plus_one(E x) {
  auto [n, t] = reduce(is_f32(x) ? clamp(x, -40, 89) : clamp(x, -80, 710), !is_f32(x));
  const E one = constant(x, 1), power = fma(fma(quotient(t), t, one), t, one);
  const E half = fma(power_of_two(n - 1, x.type().dtype), power, constant(x, 0.5));
  return half + half;
}

// 2^n - 1 + 2^n m at half its size, so that 2^n itself need not be representable.
E expand_expm1(E x) {
  auto [n, t] = reduce(clamp(x, -40, is_f32(x) ? 89 : 710));
  E half = power_of_two(n - 1, x.type().dtype);
  E sum = fma(half, reduced_expm1(t), half - 0.5);
  return near_zero(x, sum + sum);
}

}  // namespace tenon::passes
