// Text of loop functions. print(parse(print(f))) is print(f).
//
//   func conv(n, m; in x: f32, in w: f32, out y: f32[n * 8], scratch t: f32[1024])
//       tasks n * 4 as task {
//     let a: i64 = task * 8                     // a value
//     reg acc: f32x8 = 0.0                      // a register
//     expr e1 = load w[a]                       // stands for the expression where it is written
//     vector for i = 0 to n step 2 {
//       acc = fma(load x[a + i]:8, broadcast(e1 * e1, 8), acc)
//     }
//     if a < n { store y[a] = acc } else { store y[a] mask(ramp(a, 1, 8) < broadcast(n, 8)) = acc }
//     prefetch write y[a + 64]
//     check a < n code 1
//   }
//
// Parameters come first, then buffers with their extents. `load x[i]:8 mask(m)`,
// `gather x[indices] mask(m)`; lanes and mask may be absent. Operators, binding tighter downwards:
// |, ^, &, == !=, < <= > >=, << >>, + -, * / %, unary - and !. Every other kind is a call by its
// name in loop.def: `cast(x, f32)`, `broadcast(x, 8)`, `ramp(base, stride, lanes)`,
// `extract(x, lane)`, `shuffle(a, b, [0, 8, 1, 9])`. A number, true, false, inf or nan takes the
// type of the operand beside it, or else the type that its place requires; `f32x8(0.5)` is right
// everywhere. A negative number of an unsigned type wraps around. Expressions stay as written:
// nothing folds.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "ir/loop.h"
#include "ir/loop_builder.h"

namespace tenon::ir {

/// Reads one function and verifies it. Errors name line and column.
Result<Function> parse_function(std::string_view text);

/// What names stand for in a scalar expression. Attributes are looked up with their '$'.
struct ExpressionNames {
  std::function<std::optional<E>(std::string_view)> value;
  std::function<std::optional<DType>(std::string_view)> dtype;
};

/// Reads a scalar expression, such as an elementwise row's meaning: infix + - * / % & | ^ << >> <
/// <= > >= == !=, unary - and !, and calls by the names of loop.def (`max(x, 0)`,
/// `select(c, a, b)`, `cast(x, $to)`). A number, or an attribute whose value is a constant of any
/// dtype, takes the dtype of the other operand; it is an error when that cannot hold it, as with a
/// fraction for integers. So does a sum, difference or product of numbers. Folds as the builder
/// does.
Result<E> parse_expression(std::string_view text, LoopBuilder& builder,
                           const ExpressionNames& names);

}  // namespace tenon::ir
