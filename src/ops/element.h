// C++ types of tensor elements, and the dispatch from a dtype to them.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "ir/dtype.h"
#include "ops/tensor.h"

namespace tenon::ops {

/// A 16-bit float in memory; computes as float.
struct Half {
  uint16_t bits;
  Half() = default;
  explicit Half(float value) : bits(float_to_half(value)) {}
  operator float() const { return half_to_float(bits); }
};

struct BFloat {
  uint16_t bits;
  BFloat() = default;
  explicit BFloat(float value) : bits(float_to_bfloat(value)) {}
  operator float() const { return bfloat_to_float(bits); }
};

template <class T>
concept StorageFloat = std::same_as<T, Half> || std::same_as<T, BFloat>;

/// The type in which arithmetic on T is done: ir::compute_type in C++.
template <class T>
using Compute = std::conditional_t<StorageFloat<T>, float, T>;

/// The loop language's cast, where it leaves a value open: a float out of an integer's range
/// saturates, NaN becomes 0.
template <class To, class From>
To convert(From value) {
  if constexpr (StorageFloat<From> && !std::same_as<To, float>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::same_as<To, bool>) {
    return value != From{};
  } else if constexpr (StorageFloat<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::integral<To> && std::floating_point<From>) {
    if (std::isnan(value)) return 0;
    // The largest integer may round up to a power of two as a float: the comparison is >= on that.
    constexpr auto kHigh = static_cast<From>(std::numeric_limits<To>::max());
    constexpr auto kLow = static_cast<From>(std::numeric_limits<To>::min());
    if (value >= kHigh) return std::numeric_limits<To>::max();
    if (value <= kLow) return std::numeric_limits<To>::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// Calls `function.template operator()<T>()` with the storage type of `dtype`.
template <class F>
decltype(auto) dispatch(ir::DType dtype, F&& function) {
  switch (dtype) {
    case ir::DType::kBool: return function.template operator()<bool>();
    case ir::DType::kInt8: return function.template operator()<int8_t>();
    case ir::DType::kInt16: return function.template operator()<int16_t>();
    case ir::DType::kInt32: return function.template operator()<int32_t>();
    case ir::DType::kInt64: return function.template operator()<int64_t>();
    case ir::DType::kUInt8: return function.template operator()<uint8_t>();
    case ir::DType::kUInt16: return function.template operator()<uint16_t>();
    case ir::DType::kUInt32: return function.template operator()<uint32_t>();
    case ir::DType::kUInt64: return function.template operator()<uint64_t>();
    case ir::DType::kFloat16: return function.template operator()<Half>();
    case ir::DType::kBFloat16: return function.template operator()<BFloat>();
    case ir::DType::kFloat32: return function.template operator()<float>();
    case ir::DType::kFloat64: return function.template operator()<double>();
  }
  std::unreachable();
}

}  // namespace tenon::ops
