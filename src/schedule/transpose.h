// Transposition in registers.
#pragma once

#include <vector>

#include "ir/loop_builder.h"

namespace tenon::schedule {

/// Columns of a square of values: `rows` are as many vectors as each has lanes, a power of two;
/// lane r of result c is lane c of row r.
std::vector<ir::E> transpose(ir::LoopBuilder& builder, std::vector<ir::E> rows);

}  // namespace tenon::schedule
