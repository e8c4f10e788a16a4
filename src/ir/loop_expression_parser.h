// The expressions of the loop language's text, shared by functions and scalar expressions.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "ir/loop_builder.h"
#include "ir/loop_lexer.h"

namespace tenon::ir {

/// What a name stands for where an expression is read.
class ExpressionScope {
 public:
  virtual ~ExpressionScope() = default;
  virtual std::optional<E> value(std::string_view name) const = 0;
  virtual std::optional<DType> dtype(std::string_view name) const = 0;
  virtual std::optional<BufferId> buffer(std::string_view name) const = 0;
  /// An expression of a form that only this scope knows, beginning with the name that comes next:
  /// reads it off the parser's tokens.
  virtual std::optional<E> own_form() { return std::nullopt; }
};

/// Reads expressions off `tokens` into `builder`. Throws SyntaxError.
class ExpressionParser {
 public:
  ExpressionParser(Tokens& tokens, LoopBuilder& builder, ExpressionScope& scope)
      : tokens_(tokens), builder_(builder), scope_(scope) {}

  /// An expression; a lone number takes the type `expected`. It ends before an infix operator of
  /// less than `precedence` (loop_syntax.h).
  E expression(std::optional<VectorType> expected = {}, int precedence = 0);
  /// An expression that has this type.
  E typed(VectorType type, int precedence = 0);
  /// `buffer[`: a buffer's name with the opening bracket.
  BufferId open_place();
  /// ` mask(lanes)`, or none.
  E mask();
  /// A number of the text, possibly negative.
  int64_t integer();

 private:
  /// An expression, or a number that has no type yet.
  struct Operand {
    Token at;
    E value = {};
    double real = 0;
    int64_t integer = 0;  // where `whole`
    bool whole = false;
    bool is_unsigned = false;  // `integer` holds the bits of a number above the greatest i64
    bool is_bool = false;      // true or false
  };

  Operand infix(int precedence);
  static std::optional<Operand> arithmetic(ExprKind kind, const Operand& a, const Operand& b);
  Operand prefix();
  Operand primary();
  Operand name();
  Operand number(bool negative);
  Operand negated(const Token& at, Operand operand);
  Operand call();
  E call_arguments(ExprKind kind, const Token& at);
  E load(const Token& at);
  E gather(const Token& at);
  int lanes();
  DType dtype();

  Operand done(const Token& at, E value);
  E settle(const Operand& operand, std::optional<VectorType> type);
  void settle(std::initializer_list<Operand*> operands);

  Tokens& tokens_;
  LoopBuilder& builder_;
  ExpressionScope& scope_;
  int depth_ = 0;
};

}  // namespace tenon::ir
