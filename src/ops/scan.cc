// cum_sum, cum_prod: running sums or products along one axis; `exclusive` leaves out the element
// itself, `reverse` runs from the end. Integers wrap around.
#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_scan(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (x.dtype == ir::DType::kBool) return wrong("bools have no sum or product");
  if (const auto axis = axis_of(context.attrs, x.rank()); !axis) {
    return std::unexpected(axis.error());
  }
  return std::vector{x};
}

struct Sum {
  static constexpr int kFirst = 0;
  template <class T>
  static T join(T a, T b) {
    return a + b;
  }
};

struct Product {
  static constexpr int kFirst = 1;
  template <class T>
  static T join(T a, T b) {
    return a * b;
  }
};

template <class Join>
Evaluated evaluate_scan(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const size_t axis = static_cast<size_t>(context.attrs.integer("axis"));
  const bool exclusive = context.attrs.flag("exclusive"), reverse = context.attrs.flag("reverse");
  const int64_t stride = dense_strides(x.shape())[axis], size = x.shape()[axis];
  if (x.count() == 0) return {};
  dispatch_arithmetic(x.dtype(), [&]<class T>() {
    for (int64_t line = 0; line < x.count() / size; ++line) {
      const int64_t first = line / stride * stride * size + line % stride;
      T sum = static_cast<T>(Join::kFirst);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = first + (reverse ? size - 1 - i : i) * stride;
        const T next = static_cast<T>(Join::join(sum, x.as<T>()[at]));
        context.results[0]->as<T>()[at] = exclusive ? sum : next;
        sum = next;
      }
    }
  });
  return {};
}

/// Along the innermost axis in memory one task is one line; along another one it is the lines
/// beside each other in memory, whose sums form a row in scratch memory.
template <class Join>
void scan_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& type = scope.result_type(0);
  const std::vector<E> extents = extents_of(scope, type);
  const std::vector<int> order = scope.memory_order(0);
  const int axis = static_cast<int>(scope.attrs().integer("axis"));
  const int inner = innermost_axis(order, extents);
  const bool exclusive = scope.attrs().flag("exclusive"), reverse = scope.attrs().flag("reverse");
  const ir::DType dtype = ir::compute_type(type.dtype);
  const E first = builder.literal(Join::kFirst, {dtype});
  std::vector<int> outer = without(order, axis);
  if (inner != axis) outer = without(outer, inner);
  std::vector<E> index = tasks_over(builder, extents, outer);
  const auto for_each_step = [&](const std::function<void()>& body) {
    builder.loop("i", extents[axis], [&](E i) {
      index[axis] = reverse ? extents[axis] - 1 - i : i;
      body();
    });
  };
  if (inner == axis) {
    const ir::R sum = builder.let_register("sum", first);
    for_each_step([&] {
      const E next = builder.let("next", Join::join(E(sum), scope.load(0, index)));
      scope.store(0, index, exclusive ? sum : next);
      builder.assign(sum, next);
    });
    return;
  }
  Scratch sums(builder, "sums", dtype, extents[inner]);
  sums.fill(first);
  for_each_step([&] {
    builder.loop(
        "j", extents[inner],
        [&](E j) {
          index[inner] = j;
          const E sum = builder.let("sum", sums[j]);
          const E next = builder.let("next", Join::join(E(sum), scope.load(0, index)));
          scope.store(0, index, exclusive ? sum : next);
          sums.set(j, next);
        },
        ir::LoopKind::kVector);
  });
}

}  // namespace

template <>
Operator define<ir::Op::kCumSum>() {
  return {infer_scan, in_compute_type<evaluate_scan<Sum>>, scan_loops<Sum>};
}

template <>
Operator define<ir::Op::kCumProd>() {
  return {infer_scan, in_compute_type<evaluate_scan<Product>>, scan_loops<Product>};
}

}  // namespace tenon::ops
