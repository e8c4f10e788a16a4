// Text of loop functions. print(parse(print(f))) is print(f).
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "ir/loop.h"
#include "ir/loop_builder.h"

namespace tenon::ir {

/// Reads one function. Errors name line and column.
Result<Function> parse_function(std::string_view text);

/// What names stand for in a scalar expression. Attributes are looked up with their '$'.
struct ExpressionNames {
  std::function<std::optional<E>(std::string_view)> value;
  std::function<std::optional<DType>(std::string_view)> dtype;
};

/// Reads a scalar expression, such as an elementwise row's meaning: infix + - * / % & | ^ << >> <
/// <= > >= == !=, unary
/// - and !, and calls by the names of loop.def (`max(x, 0)`, `select(c, a, b)`, `cast(x, $to)`). A
/// number, or an attribute without dtype, takes the dtype of the other operand.
Result<E> parse_expression(std::string_view text, LoopBuilder& builder,
                           const ExpressionNames& names);

}  // namespace tenon::ir
