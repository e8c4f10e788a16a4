// The upper or lower triangle of the last two axes, the rest zero.
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (x.rank() < 2) return wrong("a triangle of {}", shape_text(context.dims, x.dims));
  return std::vector{x};
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  const int64_t diagonal = context.attrs.integer("diagonal");
  const bool upper = context.attrs.flag("upper");
  const int64_t columns = x.shape().back(), rows = x.shape()[x.shape().size() - 2];
  const auto element = static_cast<size_t>(ir::size_of(x.dtype()));
  std::memset(result.bytes(), 0, result.byte_count());
  for (int64_t line = 0; line * columns < x.count(); ++line) {
    const int64_t row = line % rows;
    // Column `edge` is the first of the upper triangle, or the first beyond the lower one.
    const int64_t edge = std::clamp<int64_t>(row + diagonal + (upper ? 0 : 1), 0, columns);
    const auto first = static_cast<size_t>(line * columns + (upper ? edge : 0)) * element;
    const auto count = static_cast<size_t>(upper ? columns - edge : edge) * element;
    std::memcpy(result.bytes() + first, x.bytes() + first, count);
  }
  return {};
}

void to_loops(ir::LoopScope& scope) {
  const int64_t diagonal = scope.attrs().integer("diagonal");
  const bool upper = scope.attrs().flag("upper");
  for_each_element(scope, [&](std::span<const ir::E> index) {
    ir::E row = index[index.size() - 2] + diagonal;
    ir::E column = index[index.size() - 1];
    ir::E value = scope.load(0, index);
    ir::E kept = upper ? row <= column : column <= row;
    scope.store(0, index,
                scope.builder().select(kept, value, scope.builder().literal(0, value.type())));
  });
}

}  // namespace

template <>
Operator define<ir::Op::kTrilu>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
