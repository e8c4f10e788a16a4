// Dims inside a longer text.
#pragma once

#include "base/result.h"
#include "ir/dim.h"
#include "ir/text_cursor.h"

namespace tenon::ir {

/// Reads one dim: sums and products of numbers, symbols, parentheses and calls of floor_div, mod,
/// min and max.
Result<Dim> parse_dim(TextCursor& cursor, Dims& dims);

}  // namespace tenon::ir
