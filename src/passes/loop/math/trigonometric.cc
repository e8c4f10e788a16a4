#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr double kPi = 3.141592653589793116, kPiLow = 1.2246467991473532072e-16;
constexpr double kHalfPi = 1.570796326794896558, kHalfPiLow = 6.1232339957367660359e-17;
constexpr double kHalfPiLowest = -1.4973849048591698329e-33;
constexpr double kTwoOverPi = 0.6366197723675814;

/// x = quadrant pi / 2 + t (modulo 2 pi) with |t| <= pi / 4; quadrant is 0, 1, 2 or 3, in x's type.
struct Reduced {
  E t, quadrant;
};

// In f64 even for f32, whose n pi / 2 it then holds with 80 bits to spare; f64 takes a third part
// of pi / 2. The limit on t, above pi / 4 by what n loses, keeps arguments sane that no such sum
// can reduce.
Reduced reduce(E x) {
  DType dtype = x.type().dtype;
  E wide = cast(x, DType::kFloat64);
  E n = round(wide * kTwoOverPi);
  E t = fma(n, -kHalfPiLow, fma(n, -kHalfPi, wide));
  if (!is_f32(x)) t = fma(n, -kHalfPiLowest, t);
  E quadrant = fma(floor(n * 0.25), -4.0, n);
  return {cast(clamp(t, -0.8, 0.8), dtype), cast(quadrant, dtype)};
}

E sine(E t) {
  E z = t * t;
  return fma(t * z, polynomial(z, coefficients::kSine.of(t.type().dtype)), t);
}

E cosine(E t) {
  E z = t * t;
  return fma(z * z, polynomial(z, coefficients::kCosine.of(t.type().dtype)),
             fma(z, -0.5, constant(t, 1)));
}

E is_odd(E quadrant) { return (quadrant == 1.0) | (quadrant == 3.0); }

E negate_if(E condition, E x) { return select(condition, -x, x); }

/// asin(a) for 0 <= a <= 1 as `part` where a <= 1/2, and pi / 2 - 2 * `part` where `is_large`.
struct Arc {
  E is_large, part;
};

Arc arc_sine(E a) {
  E is_large = a > 0.5;
  E z = select(is_large, (1.0 - a) * 0.5, a * a);
  E s = select(is_large, sqrt(z), a);
  return {is_large, fma(s * z, polynomial(z, coefficients::kAsin.of(a.type().dtype)), s)};
}

SplitConstant in_format(E x, double high, double low) {
  if (!is_f32(x)) return {high, low};
  auto rounded = static_cast<double>(static_cast<float>(high));
  return {rounded, high - rounded + low};
}

}  // namespace

E expand_sin(E x) {
  auto [t, quadrant] = reduce(x);
  E value = select(is_odd(quadrant), cosine(t), sine(t));
  return near_zero(x, negate_if(quadrant >= 2.0, value));
}

E expand_cos(E x) {
  auto [t, quadrant] = reduce(x);
  E value = select(is_odd(quadrant), sine(t), cosine(t));
  return negate_if((quadrant == 1.0) | (quadrant == 2.0), value);
}

E expand_tan(E x) {
  auto [t, quadrant] = reduce(x);
  E s = sine(t), c = cosine(t), odd = is_odd(quadrant);
  return near_zero(x, select(odd, -c, s) / select(odd, s, c));
}

E expand_asin(E x) {
  auto [is_large, part] = arc_sine(abs(x));
  auto [high, low] = in_format(x, kHalfPi, kHalfPiLow);
  E large = constant(x, high) - ((part + part) - constant(x, low));
  return copy_sign(select(is_large, large, part), x);
}

E expand_acos(E x) {
  auto [is_large, part] = arc_sine(abs(x));
  auto [half_high, half_low] = in_format(x, kHalfPi, kHalfPiLow);
  auto [high, low] = in_format(x, kPi, kPiLow);
  E small = constant(x, half_high) - (copy_sign(part, x) - constant(x, half_low));
  E twice = part + part;
  E large = select(x < 0.0, constant(x, high) - (twice - constant(x, low)), twice);
  return select(is_large, large, small);
}

E expand_atan(E x) {
  LoopBuilder& b = *x.builder;
  E a = abs(x), one = constant(x, 1);
  E w = b.min(one, a) / b.max(one, a);
  E z = w * w;
  E part = fma(w * z, polynomial(z, coefficients::kAtan.of(x.type().dtype)), w);
  auto [high, low] = in_format(x, kHalfPi, kHalfPiLow);
  E steep = constant(x, high) - (part - constant(x, low));
  return copy_sign(select(a > 1.0, steep, part), x);
}

}  // namespace tenon::passes
