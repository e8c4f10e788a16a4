// Arithmetic on constant expressions, as loop.h defines it: what folding computes.
#pragma once

#include <optional>

#include "ir/loop.h"

namespace tenon::ir {

/// An integer or bool constant; the value wraps around to the dtype's range.
Expr integer_constant(int64_t value, VectorType type);

/// A float constant; the value rounds to the dtype, to nearest even. Every NaN is the same one.
Expr float_constant(double value, VectorType type);

// The result on constants of one type, or nothing where the language leaves it unspecified, where
// it depends on an approximation (math functions, pow), or where the dtype has no arithmetic.
std::optional<Expr> fold_unary(ExprKind kind, const Expr& a);
std::optional<Expr> fold_binary(ExprKind kind, const Expr& a, const Expr& b);
std::optional<Expr> fold_fma(const Expr& a, const Expr& b, const Expr& c);
std::optional<Expr> fold_cast(const Expr& a, DType dtype);

}  // namespace tenon::ir
