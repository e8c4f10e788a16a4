// row_order: the rows of x[row, column] in ascending order, by their first columns that differ: the
// row that comes i-th, as i64. Of equal rows the one with the lower number comes first.
#include <algorithm>
#include <array>
#include <numeric>

#include "ops/element.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (x.rank() != 2) {
    return wrong("{} is not [row, column]", shape_text(context.dims, x.dims));
  }
  return std::vector{ir::TensorType{ir::DType::kInt64, {x.dims[0]}}};
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const auto order = context.results[0]->as<int64_t>();
  const int64_t columns = x.shape()[1];
  std::iota(order.begin(), order.end(), 0);
  dispatch(x.dtype(), [&]<class T>() {
    const auto row = [&](int64_t i) { return x.as<T>().subspan(i * columns, columns); };
    std::ranges::stable_sort(order, [&](int64_t a, int64_t b) {
      return std::ranges::lexicographical_compare(row(a), row(b), std::less<Compute<T>>());
    });
  });
  return {};
}

void to_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.operand_type(0));
  const E zero = builder.integer(0), one = builder.integer(1), minus_one = builder.integer(-1);
  builder.tasks(one);
  const Sorted order(builder, extents[0], [&](E a, E b) {
    const ir::R sign = builder.let_register("sign", zero);  // of a - b
    builder.loop("column", extents[1], [&](E column) {
      builder.if_then(E(sign) == 0, [&] {
        const E x = builder.let("x", scope.load(0, std::array{a, column}));
        const E y = builder.let("y", scope.load(0, std::array{b, column}));
        builder.assign(sign, builder.select(x < y, minus_one, builder.select(y < x, one, zero)));
      });
    });
    return E(sign) <= 0;
  });
  builder.loop("i", extents[0], [&](E i) { scope.store(0, std::array{i}, order[i]); });
}

}  // namespace

template <>
Operator define<ir::Op::kRowOrder>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
