#include "passes/loop/expand_math.h"

#include <bit>

#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"
#include "passes/loop/rewriter.h"

namespace tenon::passes {

using namespace ir;

namespace {

class ExpandMath : public Rewriter {
 public:
  using Rewriter::Rewriter;

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
        if (of_floats) return expand_rem(get(expr.a), get(expr.b));
        break;
      case ExprKind::kFloorMod:
        if (of_floats) return expand_floor_mod(get(expr.a), get(expr.b));
        break;
      case ExprKind::kFloorDiv:
        if (of_floats) return floor(get(expr.a) / get(expr.b));
        break;
      default: break;
    }
    return Rewriter::rebuild(expr);
  }

 private:
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
};

}  // namespace

void expand_math(Function& function, const ExpandMathOptions&) {
  function = ExpandMath(function).run();
}

}  // namespace tenon::passes
