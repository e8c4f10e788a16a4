#include "ir/element_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "ir/element.h"

namespace tenon::ir {
namespace {

/// The type whose shortest decimal text gives back a float element.
template <class T>
using TextType = std::conditional_t<sizeof(T) == 8, double, float>;

template <class T>
using Bits = std::conditional_t<sizeof(T) == 2, uint16_t,
                                std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;

template <class T>
bool parse_whole(std::string_view text, T& value, auto... base) {
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value, base...);
  return code == std::errc() && stop == end;
}

template <class T>
std::string float_text(T element) {
  const auto value = static_cast<TextType<T>>(element);
  if (std::isnan(value)) return fmt::format("{:#x}", std::bit_cast<Bits<T>>(element));
  return fmt::format("{}", value);
}

template <class T>
bool parse_float(std::string_view text, T& element) {
  if (text.starts_with("0x")) {
    Bits<T> bits;
    if (!parse_whole(text.substr(2), bits, 16)) return false;
    element = std::bit_cast<T>(bits);
    return true;
  }
  TextType<T> value;
  if (!parse_whole(text, value)) return false;
  element = static_cast<T>(value);
  return true;
}

}  // namespace

std::string element_text(DType type, const std::byte* bytes) {
  return visit_dtype(type, [&]<class T>(std::type_identity<T>) -> std::string {
    T element;
    std::memcpy(&element, bytes, sizeof(T));
    if constexpr (std::is_integral_v<T>) {
      return fmt::to_string(element);
    } else {
      return float_text(element);
    }
  });
}

bool parse_element(DType type, std::string_view text, std::byte* bytes) {
  return visit_dtype(type, [&]<class T>(std::type_identity<T>) {
    T element;
    bool good;
    if constexpr (std::is_same_v<T, bool>) {
      element = text == "true";
      good = element || text == "false";
    } else if constexpr (std::is_integral_v<T>) {
      good = parse_whole(text, element);
    } else {
      good = parse_float(text, element);
    }
    if (good) std::memcpy(bytes, &element, sizeof(T));
    return good;
  });
}

}  // namespace tenon::ir
