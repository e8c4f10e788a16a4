// Every elementwise operator: all of them follow from their meanings.
#include "ops/block_evaluate.h"
#include "ops/meaning.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/strided.h"

namespace tenon::ops {
namespace {

Inferred infer(ir::Op op, InferContext& context) {
  std::vector<ir::DType> dtypes;
  std::vector<std::vector<ir::Dim>> shapes;
  for (const ir::TensorType* operand : context.operands) {
    dtypes.push_back(operand->dtype);
    shapes.push_back(operand->dims);
  }
  TENON_TRY(ir::DType dtype, result_dtype(op, dtypes, context.attrs));
  TENON_TRY(std::vector<ir::Dim> dims, broadcast(shapes, context.dims));
  return std::vector{ir::TensorType{dtype, std::move(dims)}};
}

Evaluated evaluate(ir::Op op, EvaluateContext& context) {
  Tensor& result = *context.results[0];
  ir::LoopBuilder builder("evaluate");
  std::vector<ir::E> operands;
  std::vector<StridedReader> reads;
  for (const Tensor* operand : context.operands) {
    ir::BufferId buffer = builder.buffer("operand", operand->dtype(), ir::BufferKind::kInput);
    ir::E element = builder.load(buffer, builder.integer(0));
    operands.push_back(builder.cast(element, ir::compute_type(operand->dtype())));
    reads.emplace_back(result.shape(), broadcast_strides(operand->shape(), result.shape()));
  }
  ir::E value = builder.cast(build_meaning(op, builder, operands, context.attrs), result.dtype());
  evaluate_blocks(
      builder.function(), value.id, result.count(),
      [&](ir::BufferId buffer, int64_t first, int64_t count, std::byte* target) {
        reads[buffer.index].read(*context.operands[buffer.index], first, count, target);
      },
      result.bytes());
  return {};
}

void to_loops(ir::Op op, ir::LoopScope& scope) {
  for_each_element(scope, [&](std::span<const ir::E> index) {
    std::vector<ir::E> operands;
    for (int operand = 0; scope.has_operand(operand); ++operand) {
      operands.push_back(scope.load(operand, broadcast_index(scope, operand, index)));
    }
    scope.store(0, index, build_meaning(op, scope.builder(), operands, scope.attrs()));
  });
}

template <ir::Op op>
Operator operator_for() {
  return {.infer = [](InferContext& context) { return infer(op, context); },
          .evaluate = [](EvaluateContext& context) { return evaluate(op, context); },
          .to_loops = [](ir::LoopScope& scope) { to_loops(op, scope); },
          .traits = {.elementwise = true}};
}

}  // namespace

#define ELEMENTWISE(name, text, signature, meaning, onnx, aten) \
  template <>                                                   \
  Operator define<ir::Op::name>() {                             \
    return operator_for<ir::Op::name>();                        \
  }
#include "ir/elementwise.def"
#undef ELEMENTWISE

}  // namespace tenon::ops
