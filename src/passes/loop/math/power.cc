#include <optional>

#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

namespace {

/// |base|^exponent in f64 for f32 operands: log and exp have bits to spare.
E magnitude_of_f32(E base, E exponent) {
  E wide = cast(exponent, DType::kFloat64) * expand_log(cast(base, DType::kFloat64));
  return cast(expand_exp(wide), DType::kFloat32);
}

/// The same for f64, with the logarithm and its product in two parts.
E magnitude_of_f64(E base, E exponent) {
  auto [log, log_low] = double_log(base);
  E is_positive = (base > 0.0) & (base < infinity(base));
  log = select(is_positive, log, expand_log(base));
  E high = exponent * log;
  E low = fma(exponent, log, -high) + exponent * log_low;
  // Past the ends of exp the low part may be NaN and says nothing.
  low = select(is_positive & (abs(high) < 1000.0), low, constant(low, 0));
  return expand_exp(high, low);
}

E float_pow(E base, E exponent) {
  E a = abs(base);
  E magnitude = is_f32(base) ? magnitude_of_f32(a, exponent) : magnitude_of_f64(a, exponent);
  // 1 to any power and anything to the power 0, NaN included.
  E is_one =
      (base == 1.0) | (exponent == 0.0) | ((base == -1.0) & (abs(exponent) == infinity(exponent)));
  magnitude = select(is_one, constant(base, 1), magnitude);

  E is_whole = trunc(exponent) == exponent;
  E halved = exponent * 0.5;
  E is_odd = is_whole & (trunc(halved) != halved);
  E has_no_value = (base < 0.0) & (base > -infinity(base)) & !is_whole;
  E value = select(is_odd, copy_sign(magnitude, base), magnitude);
  return select(has_no_value, not_a_number(base), value);
}

E integer_pow(E base, E exponent) {
  LoopBuilder& b = *base.builder;
  E zero = b.literal(0, base.type()), one = b.literal(1, base.type());
  E parity = exponent & 1;
  // Larger exponents than 7 bits hold keep their parity: enough for the bases -1, 0, 1, even ones.
  E limited = size_of(base.type().dtype) == 1 ? exponent : b.min(exponent, parity | 126);
  E product = one, square = base;
  for (int bit = 0; bit < 7; ++bit) {
    E is_set = (limited & (int64_t{1} << bit)) != 0;
    product = select(is_set, product * square, product);
    square = square * square;
  }
  if (!is_signed(base.type().dtype)) return product;
  E minus = select(parity == 1, base, one);
  E reciprocal = select((base == 1) | (base == -1), minus, zero);
  return select(exponent < 0, reciprocal, product);
}

/// The number that `e` is in every lane.
std::optional<double> known(E e) {
  const Function& function = e.builder->function();
  const Expr& expr = function.expr(e.id);
  if (expr.kind == ExprKind::kBroadcast) return known({e.builder, expr.a});
  return is_constant(expr) ? std::optional(float_value(expr)) : std::nullopt;
}

/// Powers that take few operations and no logarithm, as eager computes them too.
std::optional<E> simple_pow(E x, double exponent) {
  E one = x.builder->literal(1, x.type());
  if (exponent == 0) return one;
  if (exponent == 1) return x;
  if (exponent == 2) return x * x;
  if (exponent == 3) return x * x * x;
  if (!is_float(x.type().dtype)) return std::nullopt;
  if (exponent == 0.5) return sqrt(x);
  if (exponent == -0.5) return one / sqrt(x);
  if (exponent == -1) return one / x;
  if (exponent == -2) return one / (x * x);
  return std::nullopt;
}

}  // namespace

E expand_pow(E base, E exponent) {
  if (auto number = known(exponent)) {
    if (auto simple = simple_pow(base, *number)) return *simple;
  }
  return is_float(base.type().dtype) ? float_pow(base, exponent) : integer_pow(base, exponent);
}

}  // namespace tenon::passes
