// Math functions as arithmetic of the loop language: f32 and f64, any lanes, no branches, no calls.
//
// f32 stays within the ULP of loop.def, f64 within a relative error of 1e-14. Special values are
// eager PyTorch's: signed zeros, infinities, NaN and denormal results come out as IEEE 754 has
// them.
#pragma once

#include "ir/loop_builder.h"

namespace tenon::passes {

// exponential.cc
ir::E expand_exp(ir::E x);
/// e^x for x <= 0; 0 where it is denormal, but for a sliver below the smallest normal number.
ir::E expand_softmax_exp(ir::E x);
/// e^x + 1, with fewer steps than both one after the other: f32 within 2.5 ULP for |x| <= 40 and
/// within 5 beyond.
ir::E expand_exp_plus_one(ir::E x);
ir::E expand_expm1(ir::E x);
/// e^x / 2, finite wherever that is.
ir::E half_exp(ir::E x);
/// e^(x + low), for a low part below one ULP of x.
ir::E expand_exp(ir::E x, ir::E low);

// logarithm.cc
ir::E expand_log(ir::E x);
ir::E expand_log1p(ir::E x);
ir::E expand_softplus(ir::E x);
/// log(x) of a positive, finite f64 as a sum that is exact to about 70 bits.
struct DoubleLog {
  ir::E high, low;
};
DoubleLog double_log(ir::E x);

// trigonometric.cc: for |x| up to 2^45 (f32) and 2^30 (f64) the error is within the budget; beyond,
// results stay in the function's range (tan: finite).
ir::E expand_sin(ir::E x);
ir::E expand_cos(ir::E x);
ir::E expand_tan(ir::E x);
ir::E expand_asin(ir::E x);
ir::E expand_acos(ir::E x);
ir::E expand_atan(ir::E x);

// hyperbolic.cc
ir::E expand_sinh(ir::E x);
ir::E expand_cosh(ir::E x);
ir::E expand_tanh(ir::E x);
ir::E expand_asinh(ir::E x);
ir::E expand_acosh(ir::E x);
ir::E expand_atanh(ir::E x);

// error_function.cc
ir::E expand_erf(ir::E x);

// power.cc
/// Floats as C's pow. Integers wrap around; a negative exponent gives the truncated fraction; an
/// exponent of 128 or more is exact for the bases -1, 0, 1 and even ones.
ir::E expand_pow(ir::E base, ir::E exponent);

// remainder.cc: floats. `rem` is C's fmod: exact for f32; exact for f64 while the quotient is below
// 2^150, NaN or less exact beyond.
ir::E expand_rem(ir::E a, ir::E b);
ir::E expand_floor_mod(ir::E a, ir::E b);

}  // namespace tenon::passes
