#include "passes/loop/expand_math.h"

#include <bit>
#include <limits>
#include <optional>

#include "passes/loop/integer_ranges.h"
#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"
#include "passes/loop/rewriter.h"

namespace tenon::passes {

using namespace ir;

namespace {

/// x / divisor for 0 <= x <= most, as x * m >> s with m = ceil(2^s / divisor) (Granlund and
/// Montgomery, "Division by invariant integers using multiplication", 1994): that is too large by
/// x * (m * divisor - 2^s) / (divisor * 2^s), which does not matter below 1 / divisor. Nothing
/// where the product would not fit.
std::optional<E> divide(E x, int64_t divisor, int64_t most) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  if (most < divisor) return x * 0;
  if (most > kLargest / 2) return std::nullopt;
  for (int shift = 0; shift < 62; ++shift) {
    const int64_t power = int64_t{1} << shift;
    const int64_t multiplier = (power - 1) / divisor + 1;
    const int64_t excess = multiplier * divisor - power;
    if (excess > 0 && most > (power - 1) / excess) continue;
    if (multiplier > kLargest / most) return std::nullopt;
    const E product = x * multiplier;
    return product.builder->binary(ExprKind::kShr, product, product.builder->integer(shift));
  }
  return std::nullopt;
}

class ExpandMath : public Rewriter {
 public:
  explicit ExpandMath(const Function& from) : Rewriter(from), ranges_(from) {}

 protected:
  E rebuild(const Expr& expr) override {
    bool of_floats = is_float(expr.type.dtype);
    switch (expr.kind) {
      case ExprKind::kAdd:
        if (const Expr* exp = exponential_plus_one(expr)) return expand_exp_plus_one(get(exp->a));
        break;
      case ExprKind::kExp: return expand_exp(get(expr.a));
      case ExprKind::kSoftmaxExp: return expand_softmax_exp(get(expr.a));
      case ExprKind::kExpm1: return expand_expm1(get(expr.a));
      case ExprKind::kLog: return expand_log(get(expr.a));
      case ExprKind::kLog1p: return expand_log1p(get(expr.a));
      case ExprKind::kErf: return expand_erf(get(expr.a));
      case ExprKind::kSin: return expand_sin(get(expr.a));
      case ExprKind::kCos: return expand_cos(get(expr.a));
      case ExprKind::kTan: return expand_tan(get(expr.a));
      case ExprKind::kAsin: return expand_asin(get(expr.a));
      case ExprKind::kAcos: return expand_acos(get(expr.a));
      case ExprKind::kAtan: return expand_atan(get(expr.a));
      case ExprKind::kSinh: return expand_sinh(get(expr.a));
      case ExprKind::kCosh: return expand_cosh(get(expr.a));
      case ExprKind::kTanh: return expand_tanh(get(expr.a));
      case ExprKind::kAsinh: return expand_asinh(get(expr.a));
      case ExprKind::kAcosh: return expand_acosh(get(expr.a));
      case ExprKind::kAtanh: return expand_atanh(get(expr.a));
      case ExprKind::kSoftplus: return expand_softplus(get(expr.a));
      case ExprKind::kPow: return expand_pow(get(expr.a), get(expr.b));
      case ExprKind::kRem:
      case ExprKind::kFloorMod:
        if (of_floats) {
          const auto expand = expr.kind == ExprKind::kRem ? expand_rem : expand_floor_mod;
          return expand(get(expr.a), get(expr.b));
        }
        if (const auto quotient = quotient_of(expr)) return get(expr.a) - *quotient * get(expr.b);
        break;
      case ExprKind::kFloorDiv:
        if (of_floats) return floor(get(expr.a) / get(expr.b));
        [[fallthrough]];
      case ExprKind::kDiv:
        if (const auto quotient = quotient_of(expr)) return *quotient;
        break;
      default: break;
    }
    return Rewriter::rebuild(expr);
  }

 private:
  /// Of a division, where it can be had without one.
  std::optional<E> quotient_of(const Expr& expr) {
    const Expr& divisor = from_.expr(expr.b);
    if (expr.type != VectorType{} || !is_constant(divisor) || divisor.bits <= 0)
      return std::nullopt;
    const IntegerRange range = ranges_.of(expr.a);
    if (range.low < 0) return std::nullopt;
    return divide(get(expr.a), divisor.bits, range.high);
  }

  /// The exponential of a sum of one and 1: the divisor of sigmoid and SiLU.
  const Expr* exponential_plus_one(const Expr& sum) const {
    auto match = [&](ExprId one, ExprId power) -> const Expr* {
      const Expr& constant = from_.expr(one);
      const bool is_one =
          constant.kind == ExprKind::kFloat && std::bit_cast<double>(constant.bits) == 1;
      return is_one && from_.expr(power).kind == ExprKind::kExp ? &from_.expr(power) : nullptr;
    };
    const Expr* found = match(sum.a, sum.b);
    return found ? found : match(sum.b, sum.a);
  }

  IntegerRanges ranges_;
};

}  // namespace

void expand_math(Function& function, const ExpandMathOptions&) {
  function = ExpandMath(function).run();
}

}  // namespace tenon::passes
