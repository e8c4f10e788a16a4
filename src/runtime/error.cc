#include "runtime/error.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <iterator>

namespace tenon::runtime {
namespace {

struct Dtype {
  const char* name;
  uint32_t bytes;
};
constexpr Dtype kDtypes[] = {{"bool", 1}, {"i8", 1},  {"i16", 2}, {"i32", 4}, {"i64", 8},
                             {"u8", 1},   {"u16", 2}, {"u32", 4}, {"u64", 8}, {"f16", 2},
                             {"bf16", 2}, {"f32", 4}, {"f64", 8}};
static_assert(std::size(kDtypes) == TENON_F64 + 1);

}  // namespace

int32_t fail(tenon_error* error, int32_t code, const char* format, ...) {
  if (!error) return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return code;
}

Text& Text::add(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(characters_ + size_, sizeof characters_ - size_, format, arguments);
  va_end(arguments);
  if (written > 0) size_ = std::min(size_ + static_cast<size_t>(written), sizeof characters_ - 1);
  return *this;
}

const char* dtype_name(uint32_t dtype) {
  return dtype < std::size(kDtypes) ? kDtypes[dtype].name : "an unknown dtype";
}

uint32_t dtype_bytes(uint32_t dtype) { return kDtypes[dtype].bytes; }

}  // namespace tenon::runtime
