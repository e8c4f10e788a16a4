// Small terms that the expansions of math functions are written with. Every function works on f32
// and f64 of any lanes, without branches.
#pragma once

#include "ir/loop_builder.h"
#include "passes/loop/math/coefficients.h"

namespace tenon::passes {

/// A number as the sum of two (or three) of a format; `low` is what `high` rounds away.
struct SplitConstant {
  double high, low;
};

bool is_f32(ir::E x);

/// The number in the type of `like`.
ir::E constant(ir::E like, double value);

ir::E fma(ir::E a, ir::E b, ir::E c);
ir::E fma(ir::E a, double b, ir::E c);
ir::E select(ir::E condition, ir::E a, ir::E b);
ir::E cast(ir::E x, ir::DType dtype);
ir::E abs(ir::E x);
ir::E sqrt(ir::E x);
ir::E floor(ir::E x);
ir::E round(ir::E x);
ir::E trunc(ir::E x);

/// x limited to [low, high]; NaN stays NaN.
ir::E clamp(ir::E x, double low, double high);

/// |magnitude| with the sign bit of `sign`.
ir::E copy_sign(ir::E magnitude, ir::E sign);

/// c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule with fma.
ir::E polynomial(ir::E x, Coefficients coefficients);

/// 2^n in `dtype` for an i32 n whose power is a normal number; 0 for the n below those.
ir::E power_of_two(ir::E n, ir::DType dtype);

/// `value`, but x itself where |x| is so small that f(x) rounds to x; keeps -0 and denormals.
ir::E near_zero(ir::E x, ir::E value);

/// +inf or NaN in the type of `like`.
ir::E infinity(ir::E like);
ir::E not_a_number(ir::E like);

}  // namespace tenon::passes
