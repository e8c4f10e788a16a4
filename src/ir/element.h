// Elements of a tensor in memory as C++ types.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "ir/dtype.h"

namespace tenon::ir {

/// A bfloat16: the upper half of a float's bits; rounds to nearest even.
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value);
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

inline BFloat16::BFloat16(float value) {
  const auto wide = std::bit_cast<uint32_t>(value);
  const bool is_nan = (wide & 0x7fffffff) > 0x7f800000;
  const uint32_t rounded = wide + 0x7fff + ((wide >> 16) & 1);
  bits = static_cast<uint16_t>(is_nan ? (wide >> 16) | 0x40 : rounded >> 16);
}

/// Calls f(std::type_identity<T>{}) with the C++ type of `type`'s elements; a bool is a bool.
template <class F>
decltype(auto) visit_dtype(DType type, F&& f) {
  switch (type) {
    case DType::kBool: return f(std::type_identity<bool>{});
    case DType::kInt8: return f(std::type_identity<int8_t>{});
    case DType::kInt16: return f(std::type_identity<int16_t>{});
    case DType::kInt32: return f(std::type_identity<int32_t>{});
    case DType::kInt64: return f(std::type_identity<int64_t>{});
    case DType::kUInt8: return f(std::type_identity<uint8_t>{});
    case DType::kUInt16: return f(std::type_identity<uint16_t>{});
    case DType::kUInt32: return f(std::type_identity<uint32_t>{});
    case DType::kUInt64: return f(std::type_identity<uint64_t>{});
    case DType::kFloat16: return f(std::type_identity<_Float16>{});
    case DType::kBFloat16: return f(std::type_identity<BFloat16>{});
    case DType::kFloat32: return f(std::type_identity<float>{});
    case DType::kFloat64: return f(std::type_identity<double>{});
  }
  std::unreachable();
}

/// The element at `bytes`, of any alignment, as a double.
inline double element_number(DType type, const std::byte* bytes) {
  return visit_dtype(type, [bytes]<class T>(std::type_identity<T>) -> double {
    T element;
    std::memcpy(&element, bytes, sizeof(T));
    if constexpr (std::is_same_v<T, BFloat16>) {
      return static_cast<float>(element);
    } else {
      return static_cast<double>(element);
    }
  });
}

}  // namespace tenon::ir
