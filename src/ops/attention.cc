// attention: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E] with H a multiple
// of G: head h reads key head h / (H / G). Scores are q.k * scale, plus `mask`
// if it is a float; a key counts where a bool mask is true and, if `causal`, up
// to T - S positions after the query's own. The result [B, H, S, E] is the mean
// of v weighted by the softmax of the scores; where no key counts it is 0 if
// `guarded`, else NaN.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_attention(InferContext& context) {
  const ir::TensorType &q = *context.operands[0], &k = *context.operands[1];
  const ir::TensorType& v = *context.operands[2];
  const ir::TensorType* mask = context.operands[3];
  const std::vector<ir::Dim> shapes[] = {q.dims, k.dims, v.dims};
  const auto text = [&] { return shapes_text(context.dims, shapes); };
  if (!ir::is_float(q.dtype) || k.dtype != q.dtype || v.dtype != q.dtype) {
    return wrong("queries, keys and values must be floats of one dtype");
  }
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4) {
    return wrong(
        "queries, keys and values need batch, head, sequence and "
        "feature axes, not {}",
        text());
  }
  const ir::Dim heads = q.dims[1], groups = k.dims[1];
  const std::pair<ir::Dim, ir::Dim> equal[] = {{k.dims[0], q.dims[0]},
                                               {v.dims[0], q.dims[0]},
                                               {v.dims[1], groups},
                                               {v.dims[2], k.dims[2]},
                                               {k.dims[3], q.dims[3]}};
  if (!std::ranges::all_of(equal, [&](const auto& pair) {
        return context.dims.unify(pair.first, pair.second).has_value();
      })) {
    return wrong("queries, keys and values {} do not belong together", text());
  }
  if (!heads.is_constant() || !groups.is_constant() || groups.value() < 1 ||
      heads.value() % groups.value() != 0) {
    return wrong("{} query heads do not share {} key heads evenly", context.dims.to_string(heads),
                 context.dims.to_string(groups));
  }
  if (mask) {
    const std::vector<ir::Dim> scores = {q.dims[0], heads, q.dims[2], k.dims[2]};
    const std::vector<ir::Dim> both[] = {mask->dims, scores};
    const auto joint = broadcast(both, context.dims);
    if (!joint || *joint != scores) {
      return wrong("mask {} does not broadcast to the scores {}",
                   shape_text(context.dims, mask->dims), shape_text(context.dims, scores));
    }
    if (mask->dtype != ir::DType::kBool && mask->dtype != q.dtype) {
      return wrong("the mask must be bool or {}, not {}", ir::to_string(q.dtype),
                   ir::to_string(mask->dtype));
    }
  }
  return std::vector{ir::TensorType{q.dtype, {q.dims[0], heads, q.dims[2], v.dims[3]}}};
}

/// Elements that one step along each axis of the scores goes in the mask.
std::vector<int64_t> mask_strides(const Tensor& mask) {
  std::vector<int64_t> strides(4);
  const std::vector<int64_t> dense = dense_strides(mask.shape());
  for (int64_t i = 0; i < mask.rank(); ++i) {
    if (mask.shape()[i] != 1) strides[4 - mask.rank() + i] = dense[i];
  }
  return strides;
}

/// Adds the mask to a row of scores, -inf where a key does not count.
template <class T>
void apply_mask(const Tensor& mask, int64_t first, int64_t stride, std::span<T> scores) {
  for (size_t j = 0; j < scores.size(); ++j) {
    const int64_t at = first + static_cast<int64_t>(j) * stride;
    if (mask.dtype() != ir::DType::kBool) {
      scores[j] += mask.as<T>()[at];
    } else if (!mask.as<bool>()[at]) {
      scores[j] = -std::numeric_limits<T>::infinity();
    }
  }
}

/// Softmax of the scores in place; if all are -inf, all 0 (`guarded`) or NaN.
template <class T>
void normalise(std::span<T> scores, bool guarded) {
  if (scores.empty()) return;
  const T greatest = *std::ranges::max_element(scores);
  double sum = 0;
  if (greatest == -std::numeric_limits<T>::infinity()) {
    std::ranges::fill(scores, guarded ? T{} : std::numeric_limits<T>::quiet_NaN());
    return;
  }
  for (T& score : scores) sum += score = std::exp(score - greatest);
  for (T& score : scores) score = static_cast<T>(score / sum);
}

template <class T>
void attend(EvaluateContext& context) {
  const Tensor &q = *context.operands[0], &k = *context.operands[1], &v = *context.operands[2];
  const Tensor* mask = context.operands[3];
  Tensor& result = *context.results[0];
  const int64_t heads = q.shape()[1], queries = q.shape()[2], features = q.shape()[3];
  const int64_t groups = k.shape()[1], keys = k.shape()[2], values = v.shape()[3];
  const bool causal = context.attrs.flag("causal"), guarded = context.attrs.flag("guarded");
  const T scale = static_cast<T>(context.attrs.number("scale"));
  const std::vector<int64_t> strides = mask ? mask_strides(*mask) : std::vector<int64_t>(4);
  std::vector<T> transposed(features * keys), scores(queries * keys);
  std::ranges::fill(result.as<T>(), T{});
  for (int64_t i = 0; i < q.shape()[0] * heads; ++i) {
    const int64_t batch = i / heads, head = i % heads;
    const int64_t group = batch * groups + head / (heads / groups);
    const T* key = k.as<T>().data() + group * keys * features;
    for (int64_t j = 0; j < keys; ++j) {
      for (int64_t d = 0; d < features; ++d) transposed[d * keys + j] = key[j * features + d];
    }
    std::ranges::fill(scores, T{});
    multiply_matrices(queries, keys, features, q.as<T>().data() + i * queries * features, features,
                      transposed.data(), keys, scores.data(), keys);
    for (int64_t s = 0; s < queries; ++s) {
      const std::span<T> row = std::span(scores).subspan(s * keys, keys);
      for (T& score : row) score *= scale;
      const int64_t first = batch * strides[0] + head * strides[1] + s * strides[2];
      if (mask) apply_mask<T>(*mask, first, strides[3], row);
      const int64_t visible = causal ? std::clamp<int64_t>(s + 1 + keys - queries, 0, keys) : keys;
      normalise(row.first(visible), guarded);
      const bool none = visible == 0 && !guarded;
      std::ranges::fill(row.subspan(visible), none ? std::numeric_limits<T>::quiet_NaN() : T{});
    }
    multiply_matrices(queries, values, keys, scores.data(), keys,
                      v.as<T>().data() + group * keys * values, values,
                      result.as<T>().data() + i * queries * values, values);
  }
}

Evaluated evaluate_attention(EvaluateContext& context) {
  dispatch_float(context.operands[0]->dtype(), [&]<class T>() { attend<T>(context); });
  return {};
}

/// One task per query.
void attention_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType &q = scope.operand_type(0), &k = scope.operand_type(1);
  const ir::DType dtype = ir::compute_type(q.dtype);
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const E features = scope.dim(q.dims[3]), keys = scope.dim(k.dims[2]), values = extents[3];
  const std::vector<E> index = tasks_over(builder, extents, std::vector{0, 1, 2});
  const E batch = index[0], head = index[1], query = index[2];
  const int64_t shared = q.dims[1].value() / k.dims[1].value();
  const E group = builder.let("group", builder.floor_div(head, builder.integer(shared)));
  const E scale = builder.number(scope.attrs().number("scale"), {dtype});
  const E zero = builder.literal(0, {dtype}), nothing = lowest(builder, dtype);
  E visible = keys;
  if (scope.attrs().flag("causal")) {
    const E last = builder.min(keys, query + 1 + (keys - extents[2]));
    visible = builder.let("visible", builder.max(last, builder.integer(0)));
  }

  Scratch scores(builder, "scores", dtype, keys);
  const ir::R greatest = builder.let_register("greatest", nothing);
  builder.loop("j", visible, [&](E j) {
    const ir::R product = builder.let_register("product", zero);
    builder.loop(
        "d", features,
        [&](E d) {
          const E x = scope.load(0, std::vector{batch, head, query, d});
          const E y = scope.load(1, std::vector{batch, group, j, d});
          builder.assign(product, builder.fma(x, y, product));
        },
        ir::LoopKind::kVector);
    E score = product * scale;
    if (scope.has_operand(3)) {
      const ir::TensorType& type = scope.operand_type(3);
      const std::vector<E> at = {batch, head, query, j};
      const E mask = scope.load(3, broadcast_index(builder, type, at));
      score = type.dtype == ir::DType::kBool ? builder.select(mask, score, nothing) : score + mask;
    }
    score = builder.let("score", score);
    scores.set(j, score);
    builder.assign(greatest, builder.max(greatest, score));
  });

  // Without a key that counts every exponential is exp(-inf - 0).
  const E shift = builder.let("shift", builder.select(greatest == nothing, zero, greatest));
  const ir::R sum = builder.let_register("sum", zero);
  builder.loop(
      "j", visible,
      [&](E j) {
        const E power =
            builder.let("power", builder.unary(ir::ExprKind::kSoftmaxExp, scores[j] - shift));
        scores.set(j, power);
        builder.assign(sum, sum + power);
      },
      ir::LoopKind::kVector);
  // Where no key counts the sum is 0, its inverse infinite, and 0 times that NaN.
  const E quotient = builder.literal(1, {dtype}) / sum;
  const bool guarded = scope.attrs().flag("guarded");
  const E inverse =
      builder.let("inverse", guarded ? builder.select(sum == zero, zero, quotient) : quotient);

  Scratch row(builder, "row", dtype, values);
  row.fill(zero);
  builder.loop("j", visible, [&](E j) {
    const E weight = builder.let("weight", scores[j]);
    builder.loop(
        "e", values,
        [&](E e) {
          const E value = scope.load(2, std::vector{batch, group, j, e});
          row.set(e, builder.fma(weight, value, row[e]));
        },
        ir::LoopKind::kVector);
  });
  builder.loop(
      "e", values,
      [&](E e) { scope.store(0, std::vector{batch, head, query, e}, row[e] * inverse); },
      ir::LoopKind::kVector);
}

}  // namespace

template <>
Operator define<ir::Op::kAttention>() {
  return {infer_attention, in_compute_type<evaluate_attention>, attention_loops};
}

}  // namespace tenon::ops
