// What the printer and the parser of the loop language agree on: operators, their precedence, and
// words that cannot be names.
#pragma once

#include <array>
#include <string_view>

#include "ir/loop.h"

namespace tenon::ir {

struct InfixOperator {
  std::string_view text;
  ExprKind kind;
  int precedence;        ///< higher binds tighter; all associate to the left
  bool swapped = false;  ///< a > b is lt(b, a)
};

inline constexpr std::array kInfixOperators = {
    InfixOperator{"|", ExprKind::kOr, 1},        InfixOperator{"^", ExprKind::kXor, 2},
    InfixOperator{"&", ExprKind::kAnd, 3},       InfixOperator{"==", ExprKind::kEq, 4},
    InfixOperator{"!=", ExprKind::kNe, 4},       InfixOperator{"<", ExprKind::kLt, 5},
    InfixOperator{"<=", ExprKind::kLe, 5},       InfixOperator{">", ExprKind::kLt, 5, true},
    InfixOperator{">=", ExprKind::kLe, 5, true}, InfixOperator{"<<", ExprKind::kShl, 6},
    InfixOperator{">>", ExprKind::kShr, 6},      InfixOperator{"+", ExprKind::kAdd, 7},
    InfixOperator{"-", ExprKind::kSub, 7},       InfixOperator{"*", ExprKind::kMul, 8},
    InfixOperator{"/", ExprKind::kDiv, 8},       InfixOperator{"%", ExprKind::kRem, 8},
};
/// Null when there is none.
const InfixOperator* find_infix(std::string_view text);
const InfixOperator* find_infix(ExprKind kind);  ///< never the swapped one

inline constexpr int kUnaryPrecedence = 9;

/// Whether `text` has a meaning of its own where a variable could stand.
bool is_reserved(std::string_view text);

/// "f32x8" as a type, or nothing.
std::optional<VectorType> parse_vector_type(std::string_view text);

}  // namespace tenon::ir
