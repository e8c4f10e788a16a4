// softmax along one axis: exp(x - max) / sum of these; with `log`, x - max - log(that sum).
#include <algorithm>
#include <cmath>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_softmax(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (!ir::is_float(x.dtype)) return wrong("softmax takes floats, not {}", ir::to_string(x.dtype));
  if (const auto axis = axis_of(context.attrs, x.rank()); !axis) {
    return std::unexpected(axis.error());
  }
  return std::vector{x};
}

Evaluated evaluate_softmax(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const size_t axis = static_cast<size_t>(context.attrs.integer("axis"));
  const bool log = context.attrs.flag("log");
  const int64_t stride = dense_strides(x.shape())[axis], size = x.shape()[axis];
  if (x.count() == 0) return {};
  dispatch_float(x.dtype(), [&]<class T>() {
    std::vector<double> line(size);
    for (int64_t i = 0; i < x.count() / size; ++i) {
      const int64_t first = i / stride * stride * size + i % stride;
      for (int64_t j = 0; j < size; ++j) line[j] = x.as<T>()[first + j * stride];
      const double greatest = *std::ranges::max_element(line);
      double sum = 0;
      for (double element : line) sum += std::exp(element - greatest);
      for (int64_t j = 0; j < size; ++j) {
        const double shifted = line[j] - greatest;
        context.results[0]->as<T>()[first + j * stride] =
            static_cast<T>(log ? shifted - std::log(sum) : std::exp(shifted) / sum);
      }
    }
  });
  return {};
}

/// Along the innermost axis in memory: one task per line, whose exponentials are kept in scratch
/// memory.
void line_loops(ir::LoopScope& scope, int axis, std::span<const E> extents, std::vector<E>& index) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const bool log = scope.attrs().flag("log");
  const auto exp = [&](E x) { return builder.unary(ir::ExprKind::kSoftmaxExp, x); };
  const auto for_each = [&](const std::function<void(E)>& body) {
    loop_over(builder, extents, std::vector{axis}, index, ir::LoopKind::kVector,
              [&] { body(index[axis]); });
  };
  Scratch powers(builder, "powers", dtype, extents[axis]);
  const ir::R greatest = builder.let_register("greatest", lowest(builder, dtype));
  for_each([&](E) { builder.assign(greatest, builder.max(greatest, scope.load(0, index))); });
  const ir::R sum = builder.let_register("sum", builder.literal(0, {dtype}));
  for_each([&](E i) {
    const E power = builder.let("power", exp(scope.load(0, index) - greatest));
    if (!log) powers.set(i, power);
    builder.assign(sum, sum + power);
  });
  if (log) {
    const E shift = builder.let("shift", greatest + builder.unary(ir::ExprKind::kLog, sum));
    return for_each([&](E) { scope.store(0, index, scope.load(0, index) - shift); });
  }
  const E scale = builder.let("scale", builder.literal(1, {dtype}) / sum);
  for_each([&](E i) { scope.store(0, index, powers[i] * scale); });
}

/// Along another axis: one task for the lines beside each other in memory, with a row of maxima and
/// one of sums in scratch memory.
void row_loops(ir::LoopScope& scope, int axis, int inner, std::span<const E> extents,
               std::vector<E>& index) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const bool log = scope.attrs().flag("log");
  const auto exp = [&](E x) { return builder.unary(ir::ExprKind::kSoftmaxExp, x); };
  const auto for_each = [&](std::vector<int> axes, const std::function<void(E)>& body) {
    loop_over(builder, extents, axes, index, ir::LoopKind::kVector, [&] { body(index[inner]); });
  };
  Scratch greatest(builder, "greatest", dtype, extents[inner]);
  Scratch sums(builder, "sums", dtype, extents[inner]);
  greatest.fill(lowest(builder, dtype));
  sums.fill(builder.literal(0, {dtype}));
  for_each({axis, inner},
           [&](E j) { greatest.set(j, builder.max(greatest[j], scope.load(0, index))); });
  for_each({axis, inner},
           [&](E j) { sums.set(j, sums[j] + exp(scope.load(0, index) - greatest[j])); });
  for_each({inner}, [&](E j) {
    sums.set(j, log ? greatest[j] + builder.unary(ir::ExprKind::kLog, sums[j])
                    : builder.literal(1, {dtype}) / sums[j]);
  });
  for_each({axis, inner}, [&](E j) {
    const E x = scope.load(0, index);
    scope.store(0, index, log ? x - sums[j] : exp(x - greatest[j]) * sums[j]);
  });
}

void softmax_loops(ir::LoopScope& scope) {
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const std::vector<int> order = scope.memory_order(0);
  const int axis = static_cast<int>(scope.attrs().integer("axis"));
  const int inner = innermost_axis(order, extents);
  std::vector<int> outer = without(order, axis);
  if (inner != axis) outer = without(outer, inner);
  std::vector<E> index = tasks_over(scope.builder(), extents, outer);
  if (inner == axis) {
    line_loops(scope, axis, extents, index);
  } else {
    row_loops(scope, axis, inner, extents, index);
  }
}

}  // namespace

template <>
Operator define<ir::Op::kSoftmax>() {
  return {infer_softmax, in_compute_type<evaluate_softmax>, softmax_loops};
}

}  // namespace tenon::ops
