// Transposition in registers.
#pragma once

#include <vector>

#include "ir/loop_builder.h"

namespace tenon::schedule {

/// Lanes of the concatenation of two vectors that swap their blocks of `size` lanes: of the first
/// the even blocks stay and the odd ones change places with the second's even ones.
struct Exchange {
  std::vector<int> low, high;
};
Exchange exchange(size_t lanes, size_t size);

/// Columns of a square of values: `rows` are as many vectors as each has lanes, a power of two;
/// lane r of result c is lane c of row r.
std::vector<ir::E> transpose(ir::LoopBuilder& builder, std::vector<ir::E> rows);

}  // namespace tenon::schedule
