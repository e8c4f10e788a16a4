#include "import/utf8.h"

#include <bit>
#include <cstdint>

namespace tenon::import {

bool is_utf8(std::string_view bytes) {
  // The least code point that needs as many continuation bytes.
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto first = static_cast<uint8_t>(bytes[i]);
    if (first < 0x80) continue;
    const int ones = std::countl_one(first);
    if (ones < 2 || ones > 4 || bytes.size() - i < static_cast<size_t>(ones)) return false;
    uint32_t code = first & (0x7FU >> ones);
    for (int k = 1; k < ones; ++k) {
      const auto next = static_cast<uint8_t>(bytes[++i]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3F);
    }
    const bool is_surrogate = code >= 0xD800 && code < 0xE000;
    if (code < kLeast[ones - 1] || code > 0x10FFFF || is_surrogate) return false;
  }
  return true;
}

}  // namespace tenon::import
