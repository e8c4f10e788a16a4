#include "ops/tensor_expression.h"

#include "ops/shape.h"
#include "ops/shape_rule.h"

namespace tenon::ops {
namespace {

std::expected<CustomOperator, std::string> tensor_expression_of(const ir::Attrs& attrs,
                                                                size_t operands) {
  TENON_TRY(CustomOperator custom, definition_of(attrs, operands));
  if (custom.op == ir::Op::kTensorExpression && custom.outputs.size() == 1) return custom;
  return wrong("'{}' is no tensor expression of one result", custom.definition);
}

Inferred infer(InferContext& context) {
  TENON_TRY(const CustomOperator custom,
            tensor_expression_of(context.attrs, context.operands.size()));
  const std::vector<double>& numbers = context.attrs.numbers("numbers");
  ShapeRule rule(context.dims, custom, numbers);
  std::vector<ir::TensorType> operands;
  for (const ir::TensorType* operand : context.operands) {
    TENON_TRY_DO(rule.operand(*operand));
    operands.push_back(*operand);
  }
  const CustomOperator::Output& output = custom.outputs.front();
  TENON_TRY(ir::TensorType result, rule.type(output.type));
  const auto expression = read_tensor_expression(custom, output, numbers, operands);
  if (!expression) return wrong("'{}': {}", custom.definition, expression.error());
  return std::vector{std::move(result)};
}

Evaluated evaluate(EvaluateContext& context) {
  TENON_TRY(const CustomOperator custom,
            tensor_expression_of(context.attrs, context.operands.size()));
  std::vector<ir::TensorType> operands;
  for (const Tensor* operand : context.operands) {
    operands.push_back({operand->dtype(), {operand->shape().begin(), operand->shape().end()}});
  }
  TENON_TRY(const auto expression,
            read_tensor_expression(custom, custom.outputs.front(), context.attrs.numbers("numbers"),
                                   operands));
  return evaluate_tensor_expression(*expression, custom, context);
}

void to_loops(ir::LoopScope& scope) {
  std::vector<ir::TensorType> operands;
  while (scope.has_operand(static_cast<int>(operands.size()))) {
    operands.push_back(scope.operand_type(static_cast<int>(operands.size())));
  }
  const auto custom = tensor_expression_of(scope.attrs(), operands.size());
  TENON_CHECK(custom.has_value(), "a node whose shape rule held");
  const auto expression = read_tensor_expression(*custom, custom->outputs.front(),
                                                 scope.attrs().numbers("numbers"), operands);
  TENON_CHECK(expression.has_value(), "a node whose shape rule held");
  tensor_expression_loops(scope, **expression);
}

}  // namespace

template <>
Operator define<ir::Op::kTensorExpression>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
