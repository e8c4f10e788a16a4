#include "ops/c_function.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <bit>

#include "ops/op.h"
#include "ops/shape.h"
#include "ops/shape_rule.h"
#include "runtime/abi.h"

namespace tenon::ops {
namespace {

using ir::Dim;

struct Call {
  std::vector<ir::TensorType> results;
  CFunction function;
};

std::expected<Call, std::string> apply(ir::Dims& dims, const ir::Attrs& attrs,
                                       std::span<const ir::TensorType* const> operands) {
  TENON_TRY(const CustomOperator custom, definition_of(attrs, operands.size()));
  if (custom.op != ir::Op::kCFunction) return wrong("'{}' is no C function", custom.definition);
  const std::vector<double>& numbers = attrs.numbers("numbers");
  ShapeRule rule(dims, custom, numbers);
  for (const ir::TensorType* operand : operands) {
    TENON_TRY_DO(rule.operand(*operand));
  }
  std::vector<ir::TensorType> results;
  for (const CustomOperator::Output& output : custom.outputs) {
    TENON_TRY(results.emplace_back(), rule.type(output.type));
  }
  std::vector<Dim> params;
  for (const ShapeRule::Size& size : rule.sizes()) params.push_back(size.dim);
  for (double number : numbers) params.emplace_back(std::bit_cast<int64_t>(number));
  return Call{std::move(results), {custom.symbol, custom.library, std::move(params)}};
}

Inferred infer(InferContext& context) {
  TENON_TRY(Call call, apply(context.dims, context.attrs, context.operands));
  return std::move(call.results);
}

Evaluated evaluate(EvaluateContext& context) {
  ir::Dims dims;
  std::vector<ir::TensorType> types;
  std::vector<void*> buffers;
  for (const Tensor* operand : context.operands) {
    types.push_back({operand->dtype(), {operand->shape().begin(), operand->shape().end()}});
    buffers.push_back(const_cast<std::byte*>(operand->bytes()));
  }
  for (Tensor* result : context.results) buffers.push_back(result->bytes());
  std::vector<const ir::TensorType*> operands;
  for (const ir::TensorType& type : types) operands.push_back(&type);
  TENON_TRY(const Call call, apply(dims, context.attrs, operands));
  void* library = dlopen(call.function.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, call.function.symbol.c_str()) : nullptr;
  if (!symbol) return wrong("{}", dlerror());
  std::vector<int64_t> params;
  for (const Dim param : call.function.params) params.push_back(param.value());
  const tenon_args args = {buffers.data(), params.data(), nullptr, nullptr};
  const int32_t code = reinterpret_cast<tenon_kernel>(symbol)(&args, 0, 1);
  if (code != 0) return wrong("'{}' reported error {}", call.function.symbol, code);
  return {};
}

void to_loops(ir::LoopScope&) { TENON_CHECK(false, "a foreign function has no loops"); }

}  // namespace

CFunction c_function_of(ir::Module& module, const ir::Node& node) {
  std::vector<const ir::TensorType*> operands;
  for (ir::ValueId input : node.inputs) operands.push_back(&module.value(input).type);
  auto call = apply(module.dims, node.attrs, operands);
  TENON_CHECK(call.has_value() && call->results.size() == node.outputs.size(),
              "a node whose shape rule held");
  return std::move(call->function);
}

template <>
Operator define<ir::Op::kCFunction>() {
  return {.infer = infer, .evaluate = evaluate, .to_loops = to_loops, .traits = {.foreign = true}};
}

}  // namespace tenon::ops
