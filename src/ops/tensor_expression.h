// A tensor expression: a result's element at named indices, as an expression of the loop language
// over elements of the operands, sizes, indices and attributes.
//
//   mine::dot(a: f32[n, k], b: f32[k, m]) -> f32[n, m][i, j] = sum(l < k) a[i, l] * b[l, j]
//   mine::shift(x: f32[n]) -> f32[n][i] = select(i > 0, x[i - 1], 0)
//
// Beside what ir/loop_text.h says an expression has
//
// - reads of operands at integers, `x[i, j + 1]`; one outside of its operand is an error at run
//   time. The branch that a `select` does not take reads nothing;
// - sizes and indices by name, as i64;
// - reductions sum, prod, min and max over new indices, which go from 0 to below their ends:
//   `sum(k < d, l < k + 1) x[k, l]`. One reaches as far as `*`, `/` and `%` do, and over no
//   elements is 0, 1, or the greatest or least value.
//
// Elements are in their compute types. Sums and products of floats may be reordered.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ir/loop_builder.h"
#include "ops/custom_operator.h"
#include "ops/op.h"

namespace tenon::ops {

/// As data: an expression of `builder`, in which parameters stand for sizes and indices, and a load
/// from buffer b for `leaves[b]`.
struct TensorExpression {
  /// A size that is not known as a number: that of the operand's axis.
  struct Size {
    ir::E parameter;
    size_t operand, axis;
  };
  struct Read {
    size_t operand;
    std::vector<ir::E> index;  ///< i64
    std::vector<bool> inside;  ///< by axis: whether it is known to be inside of the operand
  };
  /// A parameter that goes from 0 to below `end`.
  struct Counter {
    ir::E parameter, end;
    bool is_bounded;  ///< `end` is bounded by sizes, not only by data
  };
  struct Reduction {
    ir::ExprKind step;  ///< combined = step(combined, body)
    ir::E first;        ///< what it begins with, a constant
    std::vector<Counter> counters;
    ir::E body;
    bool is_innermost;  ///< no reduction is in `body`
  };

  ir::LoopBuilder builder{"tensor_expression"};
  std::vector<Size> sizes;
  std::vector<ir::E> indices;  ///< of the result
  std::vector<std::variant<Read, Reduction>> leaves;
  ir::E value;

  const ir::Expr& expr(ir::ExprId id) const { return builder.function().expr(id); }
};

/// The expression of an output of a definition for these attributes, and operands of these types,
/// which fit it.
std::expected<std::unique_ptr<TensorExpression>, std::string> read_tensor_expression(
    const CustomOperator& custom, const CustomOperator::Output& output,
    std::span<const double> numbers, std::span<const ir::TensorType> operands);

/// Reference evaluation: a block of the result's elements at a time, sums and products of floats in
/// double.
Evaluated evaluate_tensor_expression(const TensorExpression& expression,
                                     const CustomOperator& custom, EvaluateContext& context);

/// Naive loops. A read that is not known to be inside of its operand is masked by whether it is and
/// by the conditions of the selects around it, so that loops stay free of branches; whether one was
/// outside is looked at where a task ends.
void tensor_expression_loops(ir::LoopScope& scope, const TensorExpression& expression);

/// What is wrong with the definition whatever it is applied to.
std::expected<void, std::string> check_tensor_expression(const CustomOperator& custom);

}  // namespace tenon::ops
