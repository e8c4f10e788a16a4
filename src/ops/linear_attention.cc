// linear_attention: attention whose memory of the past is a matrix S per key head, state [batch,
// heads, K, V] before the first step. For each step, with q [batch, steps, query heads, K], k
// [batch, steps, heads, K] and v [batch, steps, heads, V]:
//   S = exp(decay) S     where there is a decay, of k's shape
//   v = beta (v - S^T k) where there is a beta [batch, steps, heads]
//   S = S + k v^T
//   y = scale S^T q      for each of the query heads that share the key head
// Results: y [batch, steps, query heads, V] and the last S.
#include <cmath>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::Dim;
using ir::E;

/// Positions of the operands.
enum Operand { kQ, kK, kV, kState, kDecay, kBeta };

Inferred infer_linear_attention(InferContext& context) {
  const ir::TensorType& q = *context.operands[kQ];
  const ir::TensorType& v = *context.operands[kV];
  if (!ir::is_float(q.dtype)) return wrong("the queries must be floats");
  if (q.rank() != 4 || v.rank() != 4) {
    return wrong("{} do not have batch, steps, heads and features",
                 shapes_text(context.dims, std::vector{q.dims, v.dims}));
  }
  const Dim batch = q.dims[0], steps = q.dims[1], heads = v.dims[2];
  if (heads.is(0) || !context.dims.exact_div(q.dims[2], heads)) {
    return wrong("{} query heads do not share {} key heads evenly",
                 context.dims.to_string(q.dims[2]), context.dims.to_string(heads));
  }
  const std::vector<Dim> keys = {batch, steps, heads, q.dims[3]};
  const std::vector<Dim> expected[] = {q.dims,
                                       keys,
                                       {batch, steps, heads, v.dims[3]},
                                       {batch, heads, q.dims[3], v.dims[3]},
                                       keys,
                                       {batch, steps, heads}};
  constexpr std::string_view kNames[] = {"q", "k", "v", "state", "decay", "beta"};
  for (size_t i = kK; i < context.operands.size(); ++i) {
    const ir::TensorType* operand = context.operands[i];
    if (operand && (operand->dims != expected[i] ||
                    ir::compute_type(operand->dtype) != ir::compute_type(q.dtype))) {
      return wrong("{} must be {} {}, not {}", kNames[i], ir::to_string(q.dtype),
                   shape_text(context.dims, expected[i]), ir::to_string(context.dims, *operand));
    }
  }
  return std::vector{ir::TensorType{q.dtype, {batch, steps, q.dims[2], v.dims[3]}},
                     *context.operands[kState]};
}

template <class T>
void evaluate_in(EvaluateContext& context) {
  const std::span<const int64_t> q_shape = context.operands[kQ]->shape();
  const std::span<const int64_t> shape = context.operands[kV]->shape();
  const int64_t steps = shape[1], heads = shape[2], values = shape[3];
  const int64_t keys = q_shape[3], sharers = q_shape[2] / heads;
  const auto q = context.operands[kQ]->as<T>(), k = context.operands[kK]->as<T>();
  const Tensor* decay = context.operands[kDecay];
  const Tensor* beta = context.operands[kBeta];
  const T scale = static_cast<T>(context.attrs.number("scale"));
  std::ranges::copy(context.operands[kState]->as<T>(), context.results[1]->as<T>().begin());
  for (int64_t task = 0; task < shape[0] * heads; ++task) {
    T* state = context.results[1]->as<T>().data() + task * keys * values;
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t row = (task / heads * steps + step) * heads + task % heads;
      const auto v = context.operands[kV]->as<T>().subspan(row * values, values);
      std::vector<T> update(v.begin(), v.end()), kept(values);
      for (int64_t i = 0; i < keys * values; ++i) {
        if (decay) state[i] *= std::exp(decay->as<T>()[row * keys + i / values]);
        kept[i % values] += state[i] * k[row * keys + i / values];
      }
      for (int64_t j = 0; beta && j < values; ++j) {
        update[j] = beta->as<T>()[row] * (update[j] - kept[j]);
      }
      for (int64_t i = 0; i < keys * values; ++i) {
        state[i] += k[row * keys + i / values] * update[i % values];
      }
      for (int64_t sharer = row * sharers; sharer < (row + 1) * sharers; ++sharer) {
        std::vector<T> sum(values);
        multiply_matrices(1, values, keys, q.data() + sharer * keys, keys, state, values,
                          sum.data(), values);
        for (int64_t j = 0; j < values; ++j) {
          context.results[0]->as<T>()[sharer * values + j] = scale * sum[j];
        }
      }
    }
  }
}

Evaluated evaluate_linear_attention(EvaluateContext& context) {
  dispatch_float(context.operands[kQ]->dtype(), [&]<class T>() { evaluate_in<T>(context); });
  return {};
}

/// One task per batch element and key head, which keeps S in scratch memory and walks through the
/// steps.
void linear_attention_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::VectorType type{ir::compute_type(scope.result_type(0).dtype)};
  const std::vector<E> extents = extents_of(scope, scope.operand_type(kState));
  const E keys = extents[2], values = extents[3];
  const std::vector<E> task = tasks_over(builder, extents, std::vector{0, 1});
  const E batch = task[0], head = task[1];
  const E sharers = scope.dim(scope.result_type(0).dims[2]) / extents[1];
  Scratch state(builder, "state", type.dtype, keys * values);
  Scratch sum(builder, "sum", type.dtype, values), update(builder, "update", type.dtype, values);
  const auto for_each_value = [&](const std::function<void(E)>& body) {
    builder.loop("j", values, body, ir::LoopKind::kVector);
  };
  const auto for_each_element = [&](const std::function<void(E, E, E)>& body) {
    builder.loop("i", keys, [&](E i) { for_each_value([&](E j) { body(i, j, i * values + j); }); });
  };
  for_each_element(
      [&](E i, E j, E at) { state.set(at, scope.load(kState, std::vector{batch, head, i, j})); });
  builder.loop("step", scope.dim(scope.result_type(0).dims[1]), [&](E step) {
    const auto key = [&](E i) { return scope.load(kK, std::vector{batch, step, head, i}); };
    sum.fill(builder.literal(0, type));
    for_each_element([&](E i, E j, E at) {
      E kept = state[at];
      if (scope.has_operand(kDecay)) {
        kept = kept * builder.unary(ir::ExprKind::kExp,
                                    scope.load(kDecay, std::vector{batch, step, head, i}));
      }
      kept = builder.let("kept", kept);
      state.set(at, kept);
      sum.set(j, multiply_add(builder, kept, key(i), sum[j]));
    });
    for_each_value([&](E j) {
      const E value = scope.load(kV, std::vector{batch, step, head, j});
      update.set(j, scope.has_operand(kBeta)
                        ? scope.load(kBeta, std::vector{batch, step, head}) * (value - sum[j])
                        : value);
    });
    for_each_element([&](E i, E j, E at) {
      state.set(at, multiply_add(builder, key(i), update[j], state[at]));
    });
    builder.loop("sharer", sharers, [&](E sharer) {
      const E query_head = head * sharers + sharer;
      sum.fill(builder.literal(0, type));
      for_each_element([&](E i, E j, E at) {
        const E q = scope.load(kQ, std::vector{batch, step, query_head, i});
        sum.set(j, multiply_add(builder, q, state[at], sum[j]));
      });
      for_each_value([&](E j) {
        scope.store(0, std::vector{batch, step, query_head, j},
                    sum[j] * builder.number(scope.attrs().number("scale"), type));
      });
    });
  });
  for_each_element(
      [&](E i, E j, E at) { scope.store(1, std::vector{batch, head, i, j}, state[at]); });
}

}  // namespace

template <>
Operator define<ir::Op::kLinearAttention>() {
  return {infer_linear_attention, in_compute_type<evaluate_linear_attention>,
          linear_attention_loops};
}

}  // namespace tenon::ops
