// How failures reach the caller of the C API.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/abi.h"

namespace tenon::runtime {

/// Fills `error`, which may be null, and returns `code`.
[[gnu::format(printf, 3, 4)]] int32_t fail(tenon_error* error, int32_t code, const char* format,
                                           ...);

/// Text of bounded length, cut off silently; for building messages without allocation.
class Text {
 public:
  [[gnu::format(printf, 2, 3)]] Text& add(const char* format, ...);
  const char* c_str() const { return characters_; }

 private:
  size_t size_ = 0;
  char characters_[240] = {};
};

/// "f32", "i64", ... for a TENON_ dtype.
const char* dtype_name(uint32_t dtype);

/// Bytes of one element of a TENON_ dtype.
uint32_t dtype_bytes(uint32_t dtype);

}  // namespace tenon::runtime
