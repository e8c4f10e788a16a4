// non_zero: where a tensor is not 0. Its first result are the positions of those elements in
// row-major order, ascending, and then zeros up to the number of all elements; its second result
// is how many there are.
#include "ops/element.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_non_zero(InferContext& context) {
  const ir::Dim elements = context.dims.product(context.operands[0]->dims);
  return std::vector{ir::TensorType{ir::DType::kInt64, {elements}},
                     ir::TensorType{ir::DType::kInt64, {}}};
}

Evaluated evaluate_non_zero(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& positions = *context.results[0];
  std::memset(positions.bytes(), 0, positions.byte_count());
  int64_t count = 0;
  dispatch(x.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < x.count(); ++i) {
      if (x.as<T>()[i] != T(0)) positions.as<int64_t>()[count++] = i;
    }
  });
  context.results[1]->set_integer(0, count);
  return {};
}

void non_zero_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& type = scope.operand_type(0);
  const std::vector<E> extents = extents_of(scope, type);
  const E zero = builder.integer(0), one = builder.integer(1);
  builder.tasks(one);
  const ir::R position = builder.let_register("position", zero);
  const ir::R count = builder.let_register("count", zero);
  std::vector<int> axes(extents.size());
  std::iota(axes.begin(), axes.end(), 0);
  std::vector<E> index(extents.size(), zero);
  loop_over(builder, extents, axes, index, ir::LoopKind::kSerial, [&] {
    const E x = builder.let("x", scope.load(0, index));
    const E is_set = x.type().dtype == ir::DType::kBool ? x : x != builder.literal(0, x.type());
    builder.if_then(is_set, [&] {
      const E next = count;
      scope.store(0, std::array{next}, position);
      builder.assign(count, count + one);
    });
    builder.assign(position, position + one);
  });
  builder.loop("rest", count, position, 1, [&](E rest) { scope.store(0, std::array{rest}, zero); });
  scope.store(1, {}, count);
}

}  // namespace

template <>
Operator define<ir::Op::kNonZero>() {
  return {infer_non_zero, evaluate_non_zero, non_zero_loops};
}

}  // namespace tenon::ops
