#include "passes/loop/math/terms.h"

#include <limits>

namespace tenon::passes {

using namespace ir;

namespace {

/// The integer type as wide as this float type, and where its sign bit is.
struct Bits {
  DType integer;
  int64_t sign;
};

Bits bits_of(E x) {
  if (is_f32(x)) return {DType::kInt32, std::numeric_limits<int32_t>::min()};
  return {DType::kInt64, std::numeric_limits<int64_t>::min()};
}

}  // namespace

bool is_f32(E x) { return x.type().dtype == DType::kFloat32; }
E constant(E like, double value) { return like.builder->number(value, like.type()); }
E fma(E a, E b, E c) { return a.builder->fma(a, b, c); }
E fma(E a, double b, E c) { return fma(a, constant(a, b), c); }
E select(E condition, E a, E b) { return a.builder->select(condition, a, b); }
E cast(E x, DType dtype) { return x.builder->cast(x, dtype); }
E abs(E x) { return x.builder->unary(ExprKind::kAbs, x); }
E sqrt(E x) { return x.builder->unary(ExprKind::kSqrt, x); }
E floor(E x) { return x.builder->unary(ExprKind::kFloor, x); }
E round(E x) { return x.builder->unary(ExprKind::kRound, x); }
E trunc(E x) { return x.builder->unary(ExprKind::kTrunc, x); }

E clamp(E x, double low, double high) {
  LoopBuilder& b = *x.builder;
  return b.min(constant(x, high), b.max(constant(x, low), x));
}

E copy_sign(E magnitude, E sign) {
  LoopBuilder& b = *magnitude.builder;
  auto [integer, sign_bit] = bits_of(magnitude);
  E bits = b.bitcast(abs(magnitude), integer);
  return b.bitcast(bits | (b.bitcast(sign, integer) & sign_bit), magnitude.type().dtype);
}

E polynomial(E x, Coefficients coefficients) {
  E sum = constant(x, coefficients.back());
  for (size_t k = coefficients.size() - 1; k-- > 0;)
    sum = fma(sum, x, constant(x, coefficients[k]));
  return sum;
}

E power_of_two(E n, DType dtype) {
  LoopBuilder& b = *n.builder;
  bool single = dtype == DType::kFloat32;
  E biased = cast(n + (single ? 127 : 1023), single ? DType::kInt32 : DType::kInt64);
  E shift = b.literal(single ? 23 : 52, biased.type());
  return b.bitcast(b.binary(ExprKind::kShl, biased, shift), dtype);
}

E near_zero(E x, E value) {
  return select(abs(x) < constant(x, is_f32(x) ? 0x1p-25 : 0x1p-54), x, value);
}

E infinity(E like) { return constant(like, std::numeric_limits<double>::infinity()); }
E not_a_number(E like) { return constant(like, std::numeric_limits<double>::quiet_NaN()); }

}  // namespace tenon::passes
