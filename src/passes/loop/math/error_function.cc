#include "passes/loop/math/expansions.h"
#include "passes/loop/math/terms.h"

namespace tenon::passes {

using namespace ir;

E expand_erf(E x) {
  if (is_f32(x)) {
    E a = clamp(x, -3.93, 3.93);
    E z = a * a;
    E ratio = a * polynomial(z, coefficients::kErfP) / polynomial(z, coefficients::kErfQ);
    return clamp(ratio, -1, 1);
  }
  E a = clamp(abs(x), 0, 6);
  E z = a * a;
  E small = a * polynomial(z, coefficients::kErfSmall);
  E complement = expand_exp(-z) * polynomial((a - 2.0) / (a + 2.0), coefficients::kErfLarge);
  return copy_sign(select(a < 1.0, small, 1.0 - complement), x);
}

}  // namespace tenon::passes
