#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

// Each step takes a quotient of 53 bits off |a|: the fma is exact, because what it leaves is a
// multiple of the quotient's and the divisor's last bits and not larger than 53 of them. Quotients
// of f32 have up to 277 bits.
E expand_rem(E a, E b) {
  constexpr int kStepsOfF32 = 6, kStepsOfF64 = 3;
  E divisor = abs(cast(b, DType::kFloat64));
  E rest = abs(cast(a, DType::kFloat64));
  for (int step = 0; step < (is_f32(a) ? kStepsOfF32 : kStepsOfF64); ++step) {
    rest = fma(-trunc(rest / divisor), divisor, rest);
  }
  rest = select(rest < 0.0, rest + divisor, rest);
  E result = copy_sign(cast(rest, a.type().dtype), a);
  E is_small = (abs(b) == infinity(b)) & (abs(a) < infinity(a));
  return select(is_small, a, result);
}

E expand_floor_mod(E a, E b) {
  E rest = expand_rem(a, b);
  E wrong_sign = (rest != 0.0) & ((rest < 0.0) != (b < 0.0));
  return select(wrong_sign, rest + b, rest);
}

}  // namespace tenon::passes
