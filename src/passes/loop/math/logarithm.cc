#include <limits>

#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

namespace {

/// x = 2^n m with m within 1/sqrt(2) and sqrt(2); n is an i32.
struct Split {
  E n, m;
};

// Adding the distance of 1 to 1/sqrt(2) makes the exponent field step where m should.
Split split(E x) {
  LoopBuilder& b = *x.builder;
  auto shifted = [&](DType integer, int64_t one, int64_t root, int mantissa) -> Split {
    E bits = b.bitcast(x, integer) + (one - root);
    E exponent = b.binary(ExprKind::kShr, bits, b.literal(mantissa, bits.type()));
    E n = cast(exponent, DType::kInt32) - (one >> mantissa);
    E m = b.bitcast((bits & ((int64_t{1} << mantissa) - 1)) + root, x.type().dtype);
    return {n, m};
  };
  if (is_f32(x)) return shifted(DType::kUInt32, 0x3f800000, 0x3f3504f3, 23);
  return shifted(DType::kUInt64, 0x3ff0000000000000, 0x3fe6a09e667f3bcd, 52);
}

/// As `split`, for denormals too.
Split split_any(E x) {
  bool single = is_f32(x);
  E small = x < constant(x, single ? 0x1p-126 : 0x1p-1022);
  auto [n, m] = split(select(small, x * constant(x, single ? 0x1p24 : 0x1p53), x));
  E zero = n.builder->literal(0, n.type());
  return {n - select(small, zero + (single ? 24 : 53), zero), m};
}

/// n log(2) + log(1 + f) for 1 + f within 1/sqrt(2) and sqrt(2). With s = f / (2 + f) the logarithm
/// is 2 s + s^3 P(s^2), and f - f^2 / 2 + s (f^2 / 2 + s^2 P) is the same with less rounding.
E join(E n, E f) {
  SplitConstant log2 = is_f32(f) ? SplitConstant{0.69314718246459960938, -1.9046542121259335545e-9}
                                 : SplitConstant{0.69314718055994528623, 2.3190468138462995584e-17};
  E s = f / (f + 2.0);
  E z = s * s;
  E half_square = f * 0.5 * f;
  E rest = fma(z, polynomial(z, coefficients::kLog.of(f.type().dtype)), half_square);
  E small = fma(s, rest, n * constant(n, log2.low));
  return fma(n, log2.high, f - (half_square - small));
}

/// The logarithm where `x`, its argument, is 0, negative, infinite or NaN.
E with_special(E x, E value) {
  E limits = select(x == 0.0, -infinity(x), not_a_number(x));
  return select(x > 0.0, select(x == infinity(x), x, value), limits);
}

}  // namespace

E expand_log(E x) {
  auto [n, m] = split_any(x);
  return with_special(x, join(cast(n, x.type().dtype), m - 1.0));
}

// 1 + x rounds to u = 2^n m; what it lost comes back as (x - (u - 1)) / 2^n. From 2^60 on, that is
// nothing.
E expand_log1p(E x) {
  LoopBuilder& b = *x.builder;
  DType dtype = x.type().dtype;
  E u = x + 1.0;
  auto [n, m] = split(u);
  E lost = (x - (u - 1.0)) * power_of_two(-b.min(n, b.literal(60, n.type())), dtype);
  E value = join(cast(n, dtype), (m - 1.0) + lost);
  return near_zero(x, with_special(u, value));
}

E expand_softplus(E x) {
  return x.builder->max(constant(x, 0), x) + expand_log1p(expand_exp(-abs(x)));
}

// As `join`, carrying 2 s as an unevaluated sum; log(2) has trailing zeros, so that n log(2) is
// exact.
DoubleLog double_log(E x) {
  constexpr SplitConstant kLog2 = {0.69314718056011770386, -1.7239444525614834793e-13};
  auto [whole, m] = split_any(x);
  E n = cast(whole, DType::kFloat64);
  E f = m - 1.0;
  E d = f + 2.0;
  E d_low = f - (d - 2.0);
  E s = f / d;
  E s_low = (fma(-s, d, f) - s * d_low) / d;
  E z = s * s;
  E rest = fma(s * z, polynomial(z, coefficients::kLog.of(DType::kFloat64)), s_low + s_low);
  E exact = n * constant(n, kLog2.high);
  E twice = s + s;
  E sum = exact + twice;
  E low = (twice - (sum - exact)) + fma(n, kLog2.low, rest);
  E high = sum + low;
  return {high, low - (high - sum)};
}

}  // namespace tenon::passes
