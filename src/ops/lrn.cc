// lrn: x [N, C, ...] divided by (bias + alpha / size * s)^beta, s being the sum of squares over
// `size` neighbouring channels: (size - 1) / 2 before the element's own (rounded down) and the rest
// after it.
#include <algorithm>
#include <cmath>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_lrn(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (!ir::is_float(x.dtype)) return wrong("lrn takes floats, not {}", ir::to_string(x.dtype));
  if (x.rank() < 2) return wrong("{} has no channel axis", shape_text(context.dims, x.dims));
  if (context.attrs.integer("size") < 1) {
    return wrong("size {} is not positive", context.attrs.integer("size"));
  }
  return std::vector{x};
}

Evaluated evaluate_lrn(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const int64_t size = context.attrs.integer("size"), channels = x.shape()[1];
  const double scale = context.attrs.number("alpha") / static_cast<double>(size);
  const double beta = context.attrs.number("beta"), bias = context.attrs.number("bias");
  const int64_t plane = dense_strides(x.shape())[1];
  dispatch_float(x.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < x.count(); ++i) {
      const int64_t channel = i / plane % channels;
      const int64_t first = std::max<int64_t>(0, channel - (size - 1) / 2);
      const int64_t last = std::min(channels - 1, channel + size / 2);
      double squares = 0;
      for (int64_t c = first; c <= last; ++c) {
        const double element = x.as<T>()[i + (c - channel) * plane];
        squares += element * element;
      }
      context.results[0]->as<T>()[i] =
          static_cast<T>(x.as<T>()[i] / std::pow(bias + scale * squares, beta));
    }
  });
  return {};
}

/// One task per row along the inner axis in memory; a row along the channels sums serially.
void lrn_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const std::vector<int> order = scope.memory_order(0);
  const int inner = innermost_axis(order, extents);
  const ir::VectorType type{ir::compute_type(scope.result_type(0).dtype)};
  const int64_t size = scope.attrs().integer("size");
  std::vector<E> index = tasks_over(builder, extents, without(order, inner));
  Scratch squares(builder, "squares", type.dtype, extents[inner]);
  squares.fill(builder.literal(0, type));
  const auto for_each = [&](const std::function<void(E)>& body) {
    loop_over(builder, extents, std::vector{inner}, index, ir::LoopKind::kVector,
              [&] { body(index[inner]); });
  };
  const E zero = builder.integer(0);
  const auto add_square = [&](E i, E channel) {
    std::vector<E> at = index;
    at[1] = channel;
    const E x = builder.let("x", scope.load(0, at));
    squares.set(i, multiply_add(builder, x, x, squares[i]));
  };
  // Neighbour t of channel c is c + t - before.
  const int64_t before = (size - 1) / 2;
  if (inner == 1) {
    builder.loop("t", builder.integer(size), [&](E t) {
      const E begin = builder.max(zero, builder.integer(before) - t);
      const E end = builder.min(extents[1], extents[1] + before - t);
      builder.loop(
          "i", begin, end, 1, [&](E i) { add_square(i, i + t - before); }, ir::LoopKind::kVector);
    });
  } else {
    const E begin = builder.max(zero, index[1] - before);
    const E end = builder.min(extents[1], index[1] + (size / 2 + 1));
    builder.loop("c", begin, end, 1, [&](E c) { for_each([&](E i) { add_square(i, c); }); });
  }
  const E bias = builder.number(scope.attrs().number("bias"), type);
  const E scale = builder.number(scope.attrs().number("alpha") / static_cast<double>(size), type);
  const E beta = builder.number(scope.attrs().number("beta"), type);
  for_each([&](E i) {
    const E base = multiply_add(builder, scale, squares[i], bias);
    scope.store(0, index, scope.load(0, index) / builder.binary(ir::ExprKind::kPow, base, beta));
  });
}

}  // namespace

template <>
Operator define<ir::Op::kLrn>() {
  return {infer_lrn, in_compute_type<evaluate_lrn>, lrn_loops};
}

}  // namespace tenon::ops
