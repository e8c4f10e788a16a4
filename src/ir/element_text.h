// Elements of tensors as text that gives back every bit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ir/dtype.h"

namespace tenon::ir {

/// The element at `bytes`: "true", "-7", "0.1", "inf"; a NaN as its bits, "0x7fc00000".
std::string element_text(DType type, const std::byte* bytes);

/// Writes the element that `text` names to `bytes`; false when it names none of `type`.
bool parse_element(DType type, std::string_view text, std::byte* bytes);

}  // namespace tenon::ir
