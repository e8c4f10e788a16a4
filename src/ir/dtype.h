// Element types of tensors (graph language) and of scalars (loop language).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon::ir {

enum class DType : uint8_t {
#define DTYPE(name, text, bytes, kind) name,
#include "ir/dtype.def"
#undef DTYPE
};

std::string_view to_string(DType type);
std::optional<DType> parse_dtype(std::string_view text);

/// Bytes of one element; a bool takes one byte, 0 or 1.
int size_of(DType type);

bool is_float(DType type);
bool is_signed(DType type);    ///< a signed integer
bool is_unsigned(DType type);  ///< an unsigned integer; bool is not one
bool is_integer(DType type);   ///< signed or unsigned; bool is not one

/// The type in which arithmetic on `type` is done: float32 for the 16-bit floats, else itself.
DType compute_type(DType type);

}  // namespace tenon::ir
