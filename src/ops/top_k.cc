// top_k: the k greatest (or least) elements along one axis in order, and their indices as i64; of
// equal elements the one with the lower index comes first.
#include <algorithm>
#include <numeric>

#include "ops/element.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/sort.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_top_k(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  TENON_TRY(const size_t axis, axis_of(context.attrs, x.rank()));
  const std::vector<ir::Dim>& k = context.attrs.dims("k");
  if (k.size() != 1) return wrong("k is one number, not {}", k.size());
  const ir::Dim size = x.dims[axis];
  if (k[0].is_constant() &&
      (k[0].value() < 0 || (size.is_constant() && k[0].value() > size.value()))) {
    return wrong("k = {} is not between 0 and the {} elements of axis {}", k[0].value(),
                 context.dims.to_string(size), axis);
  }
  std::vector<ir::Dim> dims = x.dims;
  dims[axis] = k[0];
  return std::vector{ir::TensorType{x.dtype, dims}, ir::TensorType{ir::DType::kInt64, dims}};
}

Evaluated evaluate_top_k(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor &values = *context.results[0], &indices = *context.results[1];
  const size_t axis = static_cast<size_t>(context.attrs.integer("axis"));
  const bool largest = context.attrs.flag("largest");
  const int64_t stride = dense_strides(x.shape())[axis], size = x.shape()[axis];
  const int64_t k = values.shape()[axis];
  if (k > size) return wrong("k = {} is more than the {} elements of axis {}", k, size, axis);
  if (values.count() == 0) return {};
  std::vector<int64_t> sorted(size);
  dispatch(x.dtype(), [&]<class T>() {
    for (int64_t line = 0; line < x.count() / size; ++line) {
      const T* elements = x.as<T>().data() + line / stride * stride * size + line % stride;
      std::iota(sorted.begin(), sorted.end(), 0);
      std::partial_sort(sorted.begin(), sorted.begin() + k, sorted.end(),
                        [&](int64_t i, int64_t j) {
                          const T a = elements[i * stride], b = elements[j * stride];
                          if (largest ? a > b : a < b) return true;
                          if (largest ? b > a : b < a) return false;
                          return i < j;
                        });
      const int64_t first = line / stride * stride * k + line % stride;
      for (int64_t i = 0; i < k; ++i) {
        values.as<T>()[first + i * stride] = elements[sorted[i] * stride];
        indices.as<int64_t>()[first + i * stride] = sorted[i];
      }
    }
  });
  return {};
}

/// All elements of a line in order.
void sort_line(ir::LoopScope& scope, int axis, bool largest, std::vector<E> index, E extent) {
  const auto at = [&](E i) {
    index[axis] = i;
    return scope.builder().let("x", scope.load(0, index));
  };
  const Sorted sorted(scope.builder(), extent, [&](E a, E b) {
    const E x = at(a), y = at(b);
    return largest ? y <= x : x <= y;
  });
  scope.builder().loop("i", extent, [&](E i) {
    const E from = scope.builder().let("from", sorted[i]), x = at(from);
    index[axis] = i;
    scope.store(0, index, x);
    scope.store(1, index, from);
  });
}

/// One task per line: each element is inserted into a sorted list of at most k in scratch memory,
/// behind those that are not worse.
void top_k_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& type = scope.operand_type(0);
  const int axis = static_cast<int>(scope.attrs().integer("axis"));
  const bool largest = scope.attrs().flag("largest");
  const std::vector<E> extents = extents_of(scope, type);
  const ir::Dim most = scope.result_type(0).dims[axis];
  std::vector<E> index = tasks_over(builder, extents, without(scope.memory_order(0), axis));
  if (most == type.dims[axis]) return sort_line(scope, axis, largest, index, extents[axis]);
  const E k = scope.dim(most);
  const ir::DType dtype = ir::compute_type(type.dtype);
  Scratch values(builder, "values", dtype, k), indices(builder, "indices", ir::DType::kInt64, k);
  const E zero = builder.integer(0), one = builder.integer(1);
  builder.loop("i", extents[axis], [&](E i) {
    index[axis] = i;
    const E x = builder.let("x", scope.load(0, index));
    const E kept = builder.let("kept", builder.min(i, k));
    const ir::R place = builder.let_register("place", zero);
    builder.loop(
        "j", kept,
        [&](E j) {
          const E other = values[j];
          const E stays = largest ? x <= other : other <= x;
          builder.assign(place, place + builder.select(stays, one, zero));
        },
        ir::LoopKind::kVector);
    builder.if_then(place < k, [&] {
      const E last = builder.let("last", builder.min(i, k - 1));
      builder.loop("j", last - place, [&](E j) {
        const E to = builder.let("to", last - j);
        values.set(to, values[to - 1]);
        indices.set(to, indices[to - 1]);
      });
      values.set(place, x);
      indices.set(place, i);
    });
  });
  builder.loop("i", k, [&](E i) {
    index[axis] = i;
    scope.store(0, index, values[i]);
    scope.store(1, index, indices[i]);
  });
}

}  // namespace

template <>
Operator define<ir::Op::kTopK>() {
  return {infer_top_k, evaluate_top_k, top_k_loops};
}

}  // namespace tenon::ops
