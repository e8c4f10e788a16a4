// Normalisation by mean m and variance v (of the population):
//   layer_norm: (x - m) / sqrt(v + epsilon) * scale + bias over the last `axes` axes, whose dims
//     scale and bias have.
//   rms_norm: x / sqrt(mean of squares + epsilon) * scale, likewise.
//   group_norm: x [N, C, ...] in `groups` groups of channels; scale and bias are [C].
//   batch_norm: x [N, C, ...] with given scale, bias, mean and variance, all [C].
#include <cmath>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

/// Checks that x is a float and that the other operands have its dtype and these dims.
std::expected<void, std::string> check_operands(const InferContext& context,
                                                std::span<const ir::Dim> dims) {
  const ir::DType dtype = context.operands[0]->dtype;
  if (!ir::is_float(dtype)) {
    return wrong("normalisation takes floats, not {}", ir::to_string(dtype));
  }
  for (const ir::TensorType* operand : context.operands.subspan(1)) {
    if (operand == nullptr) continue;
    if (operand->dtype != dtype || !std::ranges::equal(operand->dims, dims)) {
      return wrong("scale, bias and statistics must be {} {}, not {}", ir::to_string(dtype),
                   shape_text(context.dims, dims), ir::to_string(context.dims, *operand));
    }
  }
  return {};
}

Inferred infer_trailing(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const int64_t axes = context.attrs.integer("axes");
  if (axes < 1 || axes > static_cast<int64_t>(x.rank())) {
    return wrong("{} normalised axes of {}", axes, shape_text(context.dims, x.dims));
  }
  const auto checked = check_operands(context, std::span(x.dims).last(axes));
  if (!checked) return std::unexpected(checked.error());
  return std::vector{x};
}

Inferred infer_channelwise(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  if (x.rank() < 2) return wrong("{} has no channel axis", shape_text(context.dims, x.dims));
  const auto checked = check_operands(context, std::span(x.dims).subspan(1, 1));
  if (!checked) return std::unexpected(checked.error());
  return std::vector{x};
}

Inferred infer_group_norm(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const int64_t groups = context.attrs.integer("groups");
  if (x.rank() >= 2 && (groups < 1 || !x.dims[1].is_constant() || x.dims[1].value() % groups)) {
    return wrong("{} channels do not split into {} groups", context.dims.to_string(x.dims[1]),
                 groups);
  }
  return infer_channelwise(context);
}

/// (x - mean) / deviation of `count` elements. Without `centre` the mean is taken for 0.
template <class T>
void standardise(const T* x, T* result, int64_t count, double epsilon, bool centre) {
  double mean = 0, squares = 0;
  if (centre) {
    for (int64_t i = 0; i < count; ++i) mean += x[i];
    mean /= static_cast<double>(count);
  }
  for (int64_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / std::sqrt(squares / static_cast<double>(count) + epsilon);
  for (int64_t i = 0; i < count; ++i) result[i] = static_cast<T>((x[i] - mean) * scale);
}

/// result = result * scale[i] + bias[i], where i is the element's position / inner % period.
template <class T>
void scale_and_shift(Tensor& result, const Tensor* scale, const Tensor* bias, int64_t inner,
                     int64_t period) {
  const std::span<T> elements = result.as<T>();
  for (int64_t i = 0; i < result.count(); ++i) {
    const int64_t at = i / inner % period;
    if (scale) elements[i] *= scale->as<T>()[at];
    if (bias) elements[i] += bias->as<T>()[at];
  }
}

/// layer_norm, or without `centre` rms_norm.
template <bool centre>
Evaluated evaluate_trailing(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  if (x.count() == 0) return {};
  int64_t count = 1;
  for (int64_t i = 0; i < context.attrs.integer("axes"); ++i) count *= x.shape()[x.rank() - 1 - i];
  dispatch_float(x.dtype(), [&]<class T>() {
    for (int64_t first = 0; first < x.count(); first += count) {
      standardise(x.as<T>().data() + first, result.as<T>().data() + first, count,
                  context.attrs.number("epsilon"), centre);
    }
    scale_and_shift<T>(result, context.operands[1], centre ? context.operands[2] : nullptr, 1,
                       count);
  });
  return {};
}

Evaluated evaluate_group_norm(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  if (x.count() == 0) return {};
  const int64_t count = x.count() / (x.shape()[0] * context.attrs.integer("groups"));
  dispatch_float(x.dtype(), [&]<class T>() {
    for (int64_t first = 0; first < x.count(); first += count) {
      standardise(x.as<T>().data() + first, result.as<T>().data() + first, count,
                  context.attrs.number("epsilon"), true);
    }
    scale_and_shift<T>(result, context.operands[1], context.operands[2],
                       dense_strides(x.shape())[1], x.shape()[1]);
  });
  return {};
}

Evaluated evaluate_batch_norm(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const int64_t inner = dense_strides(x.shape())[1], channels = x.shape()[1];
  const double epsilon = context.attrs.number("epsilon");
  dispatch_float(x.dtype(), [&]<class T>() {
    const auto channel = [&](int operand, int64_t c) -> double {
      return context.operands[operand]->as<T>()[c];
    };
    for (int64_t i = 0; i < x.count(); ++i) {
      const int64_t c = i / inner % channels;
      const double scale = channel(1, c) / std::sqrt(channel(4, c) + epsilon);
      context.results[0]->as<T>()[i] =
          static_cast<T>((x.as<T>()[i] - channel(3, c)) * scale + channel(2, c));
    }
  });
  return {};
}

/// Normalises the elements that `for_each` runs over, with `load()` giving x and `store(y)` taking
/// (x - mean) / deviation where the loops stand.
struct Standardise {
  ir::LoopScope& scope;
  E count;
  bool centre;
  std::function<void(const std::function<void()>&)> for_each;
  std::function<E()> load;
  std::function<void(E)> store;

  void run() const {
    ir::LoopBuilder& builder = scope.builder();
    const ir::VectorType type{ir::compute_type(scope.result_type(0).dtype)};
    const E zero = builder.literal(0, type);
    const E divisor = builder.let("count", builder.cast(count, type.dtype));
    E mean;
    if (centre) {
      const ir::R sum = builder.let_register("sum", zero);
      for_each([&] { builder.assign(sum, sum + load()); });
      mean = builder.let("mean", sum / divisor);
    }
    const ir::R squares = builder.let_register("squares", zero);
    for_each([&] {
      const E shifted = builder.let("shifted", centre ? load() - mean : load());
      builder.assign(squares, builder.fma(shifted, shifted, squares));
    });
    const E variance = squares / divisor + builder.number(scope.attrs().number("epsilon"), type);
    const E scale = builder.let(
        "scale", builder.literal(1, type) / builder.unary(ir::ExprKind::kSqrt, variance));
    for_each([&] { store((centre ? load() - mean : load()) * scale); });
  }
};

/// y * scale[index] + bias[index] with the operands that are there.
E scale_and_shift(ir::LoopScope& scope, bool has_bias, E y, std::span<const E> index) {
  if (scope.has_operand(1) && has_bias) {
    return scope.builder().fma(y, scope.load(1, index), scope.load(2, index));
  }
  if (scope.has_operand(1)) return y * scope.load(1, index);
  return has_bias ? y + scope.load(2, index) : y;
}

/// layer_norm, or without `centre` rms_norm: one task per index along the other axes.
template <bool centre>
void trailing_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const int64_t first = std::ssize(extents) - scope.attrs().integer("axes");
  std::vector<int> outer, inner;
  for (int axis : scope.memory_order(0)) (axis < first ? outer : inner).push_back(axis);
  std::vector<E> index = tasks_over(builder, extents, outer);
  E count = builder.integer(1);
  for (int axis : inner) count = count * extents[axis];
  const bool has_bias = centre && scope.has_operand(2);
  Standardise{scope,
              count,
              centre,
              [&](const std::function<void()>& body) {
                loop_over(builder, extents, inner, index, ir::LoopKind::kVector, body);
              },
              [&] { return scope.load(0, index); },
              [&](E y) {
                const std::span<const E> parameter = std::span(index).subspan(first);
                scope.store(0, index, scale_and_shift(scope, has_bias, y, parameter));
              }}
      .run();
}

/// One task per group of one batch element.
void group_norm_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const int64_t groups = scope.attrs().integer("groups");
  std::vector<E> extents = extents_of(scope, scope.result_type(0));
  extents[1] = builder.integer(groups);
  std::vector<E> index = tasks_over(builder, extents, std::vector{0, 1});
  const int64_t channels = scope.result_type(0).dims[1].value() / groups;
  const E first = builder.let("first", index[1] * channels);
  extents[1] = builder.integer(channels);  // from here on index[1] counts within the group
  const std::vector<int> inner = without(scope.memory_order(0), 0);
  E count = builder.integer(1);
  for (int axis : inner) count = count * extents[axis];
  const auto element = [&] {
    std::vector<E> at = index;
    at[1] = first + index[1];
    return at;
  };
  Standardise{scope,
              count,
              true,
              [&](const std::function<void()>& body) {
                loop_over(builder, extents, inner, index, ir::LoopKind::kVector, body);
              },
              [&] { return scope.load(0, element()); },
              [&](E y) {
                const std::vector<E> at = element();
                const std::span<const E> channel = std::span(at).subspan(1, 1);
                scope.store(0, at, scale_and_shift(scope, scope.has_operand(2), y, channel));
              }}
      .run();
}

void batch_norm_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::VectorType type{ir::compute_type(scope.result_type(0).dtype)};
  const auto parameter = [&](int operand, std::span<const E> index) {
    return scope.load(operand, index.subspan(1, 1));
  };
  const auto factor_at = [&](std::span<const E> index) {
    const E variance = parameter(4, index) + builder.number(scope.attrs().number("epsilon"), type);
    return parameter(1, index) / builder.unary(ir::ExprKind::kSqrt, variance);
  };
  for_each_row(scope, [&](std::vector<E>& index, const Row& row) {
    const bool one_channel = row.axis != 1;
    E mean, factor, bias;
    if (one_channel) {
      mean = builder.let("mean", parameter(3, index));
      factor = builder.let("factor", factor_at(index));
      bias = builder.let("bias", parameter(2, index));
    }
    for_each_in(builder, index, row, [&](std::span<const E> at) {
      const E shifted = scope.load(0, at) - (one_channel ? mean : parameter(3, at));
      scope.store(0, at,
                  builder.fma(shifted, one_channel ? factor : factor_at(at),
                              one_channel ? bias : parameter(2, at)));
    });
  });
}

}  // namespace

template <>
Operator define<ir::Op::kLayerNorm>() {
  return {infer_trailing, in_compute_type<evaluate_trailing<true>>, trailing_loops<true>};
}

template <>
Operator define<ir::Op::kRmsNorm>() {
  return {infer_trailing, in_compute_type<evaluate_trailing<false>>, trailing_loops<false>};
}

template <>
Operator define<ir::Op::kGroupNorm>() {
  return {infer_group_norm, in_compute_type<evaluate_group_norm>, group_norm_loops};
}

template <>
Operator define<ir::Op::kBatchNorm>() {
  return {infer_channelwise, in_compute_type<evaluate_batch_norm>, batch_norm_loops};
}

}  // namespace tenon::ops
