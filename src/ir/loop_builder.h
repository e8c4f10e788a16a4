// Makes loop functions: expressions with operators, statements with nested lambdas.
//
// Expressions fold while building, so index arithmetic comes out small. Operations on constants are
// computed, as loop.h says. On integers x + 0, x * 1, x * 0, x / 1 and the like disappear,
// constants stand on the right, and sums keep their constant outermost ((x + 1) + y is
// (x + y) + 1), so that addresses are a base and a displacement. Floats fold on constants only.
// Where an operation does not exist for a dtype but has an obvious meaning, that is built: floor of
// an integer is the integer, fma of integers is a product and a sum.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>

#include "ir/loop.h"

namespace tenon::ir {

class LoopBuilder;

/// An expression with the builder that made it; a default one is "none". Mixing lanes broadcasts
/// the scalar side. Mixing dtypes is an internal error, but a constant takes the other side's.
struct E {
  LoopBuilder* builder = nullptr;
  ExprId id;

  VectorType type() const;
  /// The number when this is an integer or bool constant.
  std::optional<int64_t> constant() const;
  bool is(int64_t number) const { return constant() == number; }
};

/// A number in an expression: it takes dtype and lanes of the other operand.
struct Number {
  template <std::integral T>
  Number(T value) : integer(static_cast<int64_t>(value)) {}  // NOLINT: literals convert
  template <std::floating_point T>
  Number(T value) : real(value), is_real(true) {}  // NOLINT: literals convert

  int64_t integer = 0;
  double real = 0;
  bool is_real = false;
};

#define TENON_BINARY(op)        \
  E operator op(E a, E b);      \
  E operator op(E a, Number b); \
  E operator op(Number a, E b);
TENON_BINARY(+)
TENON_BINARY(-)
TENON_BINARY(*)
TENON_BINARY(/)
TENON_BINARY(%)
TENON_BINARY(<)
TENON_BINARY(<=)
TENON_BINARY(>)
TENON_BINARY(>=)
TENON_BINARY(==)
TENON_BINARY(!=)
TENON_BINARY(&)
TENON_BINARY(|)
#undef TENON_BINARY
E operator-(E a);
E operator!(E a);

/// A register: reads as its expression, changes by `assign`.
struct R {
  VariableId variable;
  E value;
  operator E() const { return value; }
};

class LoopBuilder {
 public:
  explicit LoopBuilder(std::string name);
  LoopBuilder(const LoopBuilder&) = delete;
  LoopBuilder& operator=(const LoopBuilder&) = delete;

  /// Turns folding off: expressions stay as written.
  void keep_as_written() { fold_ = false; }

  // Signature.
  BufferId buffer(std::string name, DType dtype, BufferKind kind, E extent = {});
  E param(std::string name);
  /// The number of tasks of all rounds and, as the result, the task that the body runs.
  E tasks(E count, std::string name = "task");
  E task() { return read(function_.task); }
  E task_count() { return {this, function_.task_count}; }
  /// The number of rounds that the tasks come in; 1 unless given.
  void rounds(E count) { function_.round_count = count.id; }
  /// The argument's content is read too, not only written.
  void also_reads(BufferId buffer);

  // Leaves.
  E integer(int64_t value, DType dtype = DType::kInt64);
  E number(double value, VectorType type);
  /// A constant of `type`: a float constant for floats, an integer one else. A fraction for an
  /// integer type is an internal error.
  E literal(Number value, VectorType type);

  // Expressions.
  E unary(ExprKind kind, E a);
  E binary(ExprKind kind, E a, E b);
  E min(E a, E b) { return binary(ExprKind::kMin, a, b); }
  E max(E a, E b) { return binary(ExprKind::kMax, a, b); }
  E floor_div(E a, E b) { return binary(ExprKind::kFloorDiv, a, b); }
  E floor_mod(E a, E b) { return binary(ExprKind::kFloorMod, a, b); }
  E fma(E a, E b, E c);
  E select(E condition, E a, E b);
  E cast(E a, DType dtype);
  E bitcast(E a, DType dtype);
  E broadcast(E a, int lanes);
  E ramp(E base, int64_t stride, int lanes);
  E extract(E a, int lane);
  E shuffle(E a, E b, std::vector<int> lanes);
  E reduce(ExprKind kind, E a);
  E load(BufferId buffer, E index, int lanes = 1, E mask = {});
  E gather(BufferId buffer, E indices, E mask = {});

  // Statements.
  /// A name for the value, evaluated here; a constant or parameter stays itself.
  E let(std::string name, E value);
  R let_register(std::string name, E first);
  void assign(const R& reg, E value);
  void store(BufferId buffer, E index, E value, E mask = {});
  void loop(std::string name, E begin, E end, int64_t step, const std::function<void(E)>& body,
            LoopKind kind = LoopKind::kSerial);
  void loop(std::string name, E end, const std::function<void(E)>& body,
            LoopKind kind = LoopKind::kSerial);
  void if_then(E condition, const std::function<void()>& then,
               const std::function<void()>& otherwise = {});
  void prefetch(BufferId buffer, E index, bool write = false);
  void check(E condition, int code);

  const Function& function() const { return function_; }
  /// The finished function; the builder is empty after that.
  Function finish();

 private:
  friend struct E;
  E expr(const Expr& e);
  const Expr& at(E e) const { return function_.expr(e.id); }
  void match(E& a, E& b);
  E convert(E constant, VectorType type);
  /// The simpler form of an integer or bool operation, if there is one.
  std::optional<E> simplify(ExprKind kind, E a, E b);
  /// sum + term, where a quotient and the remainder of one division meet in it.
  std::optional<E> join_remainder(E sum, E term);
  VariableId declare(std::string name, VectorType type, bool is_register = false);
  E read(VariableId variable);
  void add(Statement statement);
  BlockId block(const std::function<void()>& body);

  Function function_;
  std::vector<BlockId> open_;  // innermost last
  bool fold_ = true;
};

}  // namespace tenon::ir
