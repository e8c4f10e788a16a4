#include "ops/compute.h"

namespace tenon::ops {

Evaluated with_float32(EvaluateContext& context, Evaluated (*evaluate)(EvaluateContext&)) {
  const auto converts = [](ir::DType dtype) { return ir::compute_type(dtype) != dtype; };
  std::vector<Tensor> operands(context.operands.size());
  std::vector<const Tensor*> operand_pointers(context.operands.begin(), context.operands.end());
  for (size_t i = 0; i < operands.size(); ++i) {
    const Tensor* operand = context.operands[i];
    if (operand == nullptr || !converts(operand->dtype())) continue;
    operands[i] = operand->cast(ir::DType::kFloat32);
    operand_pointers[i] = &operands[i];
  }
  std::vector<Tensor> results(context.results.size());
  std::vector<Tensor*> result_pointers(context.results.begin(), context.results.end());
  for (size_t i = 0; i < results.size(); ++i) {
    const Tensor& result = *context.results[i];
    if (!converts(result.dtype())) continue;
    results[i] = Tensor(ir::DType::kFloat32, result.shape());
    result_pointers[i] = &results[i];
  }
  EvaluateContext computing{context.attrs, operand_pointers, result_pointers};
  if (Evaluated done = evaluate(computing); !done) return done;
  for (size_t i = 0; i < results.size(); ++i) {
    Tensor& result = *context.results[i];
    if (!converts(result.dtype())) continue;
    const Tensor converted = results[i].cast(result.dtype());
    std::memcpy(result.bytes(), converted.bytes(), converted.byte_count());
  }
  return {};
}

}  // namespace tenon::ops
