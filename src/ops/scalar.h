// The scalar functions of the loop language in C++, one per expression kind, as ir/loop.h defines
// them. T is a compute type: bool, an integer, float or double.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace tenon::ops::scalar {

template <std::integral T, class F>
T wrap(T a, T b, F f) {
  return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

template <class T>
T add(T a, T b) {
  if constexpr (std::integral<T>) {
    return wrap(a, b, [](auto x, auto y) { return x + y; });
  } else {
    return a + b;
  }
}

template <class T>
T sub(T a, T b) {
  if constexpr (std::integral<T>) {
    return wrap(a, b, [](auto x, auto y) { return x - y; });
  } else {
    return a - b;
  }
}

template <class T>
T mul(T a, T b) {
  if constexpr (std::integral<T>) {
    return wrap(a, b, [](auto x, auto y) { return x * y; });
  } else {
    return a * b;
  }
}

/// Integers: towards zero; a division that C++ leaves undefined gives what does not trap.
template <class T>
T div(T a, T b) {
  if constexpr (std::integral<T>) {
    if (b == 0) return 0;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return sub<T>(0, a);
    }
    return static_cast<T>(a / b);
  } else {
    return a / b;
  }
}

template <class T>
T rem(T a, T b) {
  if constexpr (std::floating_point<T>) {
    return std::fmod(a, b);
  } else {
    return sub(a, mul(div(a, b), b));
  }
}

template <class T>
T floor_div(T a, T b) {
  if constexpr (std::floating_point<T>) {
    return std::floor(a / b);
  } else {
    T quotient = div(a, b);
    if constexpr (std::is_signed_v<T>) {
      if (b != 0 && rem(a, b) != 0 && (a < 0) != (b < 0)) return static_cast<T>(quotient - 1);
    }
    return quotient;
  }
}

template <class T>
T floor_mod(T a, T b) {
  T r = rem(a, b);
  if constexpr (std::floating_point<T> || std::is_signed_v<T>) {
    if (r != 0 && (r < 0) != (b < 0)) return add(r, b);
  }
  return r;
}

template <class T>
T pow(T base, T exponent) {
  if constexpr (std::floating_point<T>) {
    return std::pow(base, exponent);
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (exponent < 0) {
        if (base == 1) return 1;
        if (base == -1) return exponent % 2 == 0 ? T{1} : T{-1};
        return 0;
      }
    }
    T result = 1;
    for (; exponent != 0; exponent = static_cast<T>(exponent / 2)) {
      if (exponent % 2 != 0) result = mul(result, base);
      base = mul(base, base);
    }
    return result;
  }
}

template <std::integral T>
T shl(T a, T b) {
  if (static_cast<uint64_t>(b) >= 8 * sizeof(T)) return 0;
  return wrap(a, b, [](auto x, auto y) { return x << y; });
}

template <std::integral T>
T shr(T a, T b) {
  if (static_cast<uint64_t>(b) >= 8 * sizeof(T)) return a < 0 ? static_cast<T>(-1) : T{0};
  return static_cast<T>(a >> b);
}

template <class T>
T min(T a, T b) {
  return a < b ? a : b;
}

template <class T>
T max(T a, T b) {
  return a > b ? a : b;
}

template <class T>
T neg(T a) {
  if constexpr (std::integral<T>) {
    return sub<T>(0, a);
  } else {
    return -a;
  }
}

template <class T>
T abs(T a) {
  if constexpr (std::floating_point<T>) {
    return std::fabs(a);
  } else {
    return a < 0 ? neg(a) : a;
  }
}

template <std::floating_point T>
T softplus(T a) {
  return std::fmax(a, T{0}) + std::log1p(std::exp(-std::fabs(a)));
}

}  // namespace tenon::ops::scalar
