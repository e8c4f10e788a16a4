// How reference evaluation computes: 16-bit floats in float32, integers wrapping around.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "ops/op.h"

namespace tenon::ops {

/// Runs `evaluate` with 16-bit float operands and results converted to float32 tensors and back.
Evaluated with_float32(EvaluateContext& context, Evaluated (*evaluate)(EvaluateContext&));

/// An `Operator::evaluate` that never sees a 16-bit float.
template <Evaluated (*evaluate)(EvaluateContext&)>
Evaluated in_compute_type(EvaluateContext& context) {
  return with_float32(context, evaluate);
}

/// Calls `function.template operator()<T>()` with a type whose sums and products have the bits of
/// those of `dtype`: a float, or for integers the unsigned type of that size, which may wrap.
template <class F>
decltype(auto) dispatch_arithmetic(ir::DType dtype, F&& function) {
  if (dtype == ir::DType::kFloat32) return function.template operator()<float>();
  if (dtype == ir::DType::kFloat64) return function.template operator()<double>();
  TENON_CHECK(!ir::is_float(dtype), "a 16-bit float is converted before");
  switch (ir::size_of(dtype)) {
    case 1: return function.template operator()<uint8_t>();
    case 2: return function.template operator()<uint16_t>();
    case 4: return function.template operator()<uint32_t>();
    default: return function.template operator()<uint64_t>();
  }
}

/// Calls `function.template operator()<T>()` with float or double.
template <class F>
decltype(auto) dispatch_float(ir::DType dtype, F&& function) {
  if (dtype == ir::DType::kFloat64) return function.template operator()<double>();
  TENON_CHECK(dtype == ir::DType::kFloat32, "a float that is computed in its own type");
  return function.template operator()<float>();
}

/// a * b + c in one of the types of `dispatch_arithmetic`.
template <class T>
T multiply_add(T a, T b, T c) {
  using Wide = decltype(T{} + 0u);  // an unsigned short would multiply as int, which may overflow
  return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b) + static_cast<Wide>(c));
}

/// c += a b for matrices with m rows of k, k rows of n and m rows of n elements; the strides are
/// those from row to row. Sums run over k in ascending order.
template <class T>
void multiply_matrices(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_stride, const T* b,
                       int64_t b_stride, T* c, int64_t c_stride) {
  constexpr int64_t kColumns = 512;  // four rows of c and one of b stay in the L1 cache
  for (int64_t first = 0; first < n; first += kColumns) {
    const int64_t columns = std::min(kColumns, n - first);
    int64_t row = 0;
    for (; row + 4 <= m; row += 4) {
      T* __restrict c0 = c + row * c_stride + first;
      T* __restrict c1 = c0 + c_stride;
      T* __restrict c2 = c1 + c_stride;
      T* __restrict c3 = c2 + c_stride;
      for (int64_t i = 0; i < k; ++i) {
        const T* __restrict line = b + i * b_stride + first;
        const T* factor = a + row * a_stride + i;
        const T a0 = factor[0], a1 = factor[a_stride];
        const T a2 = factor[2 * a_stride], a3 = factor[3 * a_stride];
        for (int64_t j = 0; j < columns; ++j) {
          c0[j] = multiply_add(a0, line[j], c0[j]);
          c1[j] = multiply_add(a1, line[j], c1[j]);
          c2[j] = multiply_add(a2, line[j], c2[j]);
          c3[j] = multiply_add(a3, line[j], c3[j]);
        }
      }
    }
    for (; row < m; ++row) {
      T* __restrict target = c + row * c_stride + first;
      for (int64_t i = 0; i < k; ++i) {
        const T* __restrict line = b + i * b_stride + first;
        const T factor = a[row * a_stride + i];
        for (int64_t j = 0; j < columns; ++j) target[j] = multiply_add(factor, line[j], target[j]);
      }
    }
  }
}

}  // namespace tenon::ops
