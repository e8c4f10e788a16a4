#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr double kLog2 = 0.69314718055994528623;

/// From here on x^2 + 1 is x^2, and 2 x is all that matters in the inverse functions.
constexpr double kHuge = 0x1p60;

E half(E x) { return x * 0.5; }

}  // namespace

E expand_sinh(E x) {
  E a = abs(x), z = a * a;
  E small = fma(a * z, polynomial(z, coefficients::kSinh.of(x.type().dtype)), a);
  E h = half_exp(a);
  return copy_sign(select(a < 1.0, small, h - 0.25 / h), x);
}

E expand_cosh(E x) {
  E h = half_exp(abs(x));
  return h + 0.25 / h;
}

E expand_tanh(E x) {
  if (is_f32(x)) {
    E a = clamp(x, -9.02, 9.02);
    E z = a * a;
    E ratio = a * polynomial(z, coefficients::kTanhP) / polynomial(z, coefficients::kTanhQ);
    return clamp(ratio, -1, 1);
  }
  E e = expand_expm1(clamp(abs(x + x), 0, 40));
  return copy_sign(e / (e + 2.0), x);
}

E expand_asinh(E x) {
  E a = abs(x);
  E is_huge = a > kHuge;
  E curved = a + a * a / (sqrt(fma(a, a, constant(a, 1))) + 1.0);
  E value = expand_log1p(select(is_huge, a, curved));
  return copy_sign(select(is_huge, value + kLog2, value), x);
}

E expand_acosh(E x) {
  E t = x - 1.0;
  E is_huge = x > kHuge;
  E value = expand_log1p(select(is_huge, x, t + sqrt(t * (t + 2.0))));
  return select(x < 1.0, not_a_number(x), select(is_huge, value + kLog2, value));
}

E expand_atanh(E x) {
  E a = abs(x);
  return copy_sign(half(expand_log1p((a + a) / (1.0 - a))), x);
}

}  // namespace tenon::passes
