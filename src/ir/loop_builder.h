// Makes loop functions: expressions with operators, statements with nested lambdas. Constants fold
// while building (integer arithmetic exactly; x + 0, x * 1, x * 0 for integers), so index
// arithmetic comes out small.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>

#include "ir/loop.h"

namespace tenon::ir {

class LoopBuilder;

/// An expression with the builder that made it. Integers convert where a builder is known from
/// another operand. Mixing lanes broadcasts the scalar side; mixing dtypes is an internal error,
/// but for literals.
struct E {
  LoopBuilder* builder = nullptr;
  ExprId id;

  VectorType type() const;
  /// The number when this is an integer constant.
  std::optional<int64_t> constant() const;
  bool is(int64_t number) const { return constant() == number; }
};

E operator+(E a, E b);
E operator-(E a, E b);
E operator*(E a, E b);
E operator/(E a, E b);
E operator%(E a, E b);
E operator+(E a, int64_t b);
E operator-(E a, int64_t b);
E operator*(E a, int64_t b);
E operator/(E a, int64_t b);
E operator%(E a, int64_t b);
E operator<(E a, E b);
E operator<=(E a, E b);
E operator==(E a, E b);
E operator&(E a, E b);
E operator|(E a, E b);
E operator-(E a);

/// A register: reads as its expression, changes by `assign`.
struct R {
  VariableId variable;
  E value;
  operator E() const { return value; }
};

class LoopBuilder {
 public:
  explicit LoopBuilder(std::string name);

  // Signature.
  BufferId buffer(std::string name, DType dtype, BufferKind kind, E extent = {});
  E param(std::string name);
  /// The number of tasks and, as the result, the task that the body runs.
  E tasks(E count);

  // Leaves.
  E integer(int64_t value, DType dtype = DType::kInt64);
  E number(double value, VectorType type);
  /// A constant of `type`: a float constant for floats, an integer one else.
  E literal(double value, VectorType type);

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
  StatementId add(Statement statement);

  Function function_;
  std::vector<BlockId> open_;  // innermost last
};

}  // namespace tenon::ir
