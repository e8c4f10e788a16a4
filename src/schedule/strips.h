// Rows cut into strips that register tiles cover.
#pragma once

#include <functional>

#include "ir/loop_builder.h"

namespace tenon::schedule {

/// `big_count` strips of `big` rows, then strips of `small` rows.
struct Strips {
  int big, small;
  ir::E big_count, count;

  ir::E start(ir::E strip) const { return strip * big; }
  ir::E start_small(ir::E strip) const { return big_count * big + (strip - big_count) * small; }
};

/// Strips of at most `most` rows. They are near-equal where the number of rows is known: a short
/// strip would be bound by latency.
Strips make_strips(ir::LoopBuilder& builder, ir::E rows, int most);

using StripBody = std::function<void(int rows, ir::E start)>;

/// The strip of that number.
void for_strip(ir::LoopBuilder& builder, const Strips& strips, ir::E strip, const StripBody& body);

/// All strips that start before `limit`.
void for_strips(ir::LoopBuilder& builder, Strips strips, ir::E limit, const StripBody& body);

}  // namespace tenon::schedule
