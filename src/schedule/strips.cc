#include "schedule/strips.h"

#include <algorithm>

namespace tenon::schedule {

using ir::E;
using ir::LoopBuilder;

Strips make_strips(LoopBuilder& b, E rows, int most) {
  if (auto known = rows.constant()) {
    const int64_t count = std::max<int64_t>(1, (*known + most - 1) / most);
    const int64_t small = *known / count;
    return {static_cast<int>(small) + 1, static_cast<int>(small), b.integer(*known % count),
            b.integer(count)};
  }
  const E full = rows / most;
  return {most, 1, full, full + rows % most};
}

void for_strip(LoopBuilder& b, const Strips& strips, E strip, const StripBody& body) {
  const auto small = [&] { body(strips.small, strips.start_small(strip)); };
  if (strips.big_count.is(0)) return small();
  if (strips.small == 0) return body(strips.big, strips.start(strip));
  b.if_then(strip < strips.big_count, [&] { body(strips.big, strips.start(strip)); }, small);
}

void for_strips(LoopBuilder& b, Strips strips, E limit, const StripBody& body) {
  strips.big_count = b.let("full", strips.big_count);
  strips.count = b.let("strips", strips.count);
  const auto before_limit = [&](E rows, int size) { return (rows + (size - 1)) / size; };
  if (!strips.big_count.is(0)) {
    const E end = b.min(strips.big_count, before_limit(limit, strips.big));
    b.loop("strip", b.integer(0), end, 1, [&](E strip) { body(strips.big, strips.start(strip)); });
  }
  if (strips.small == 0) return;
  const E rest = before_limit(limit - strips.big_count * strips.big, strips.small);
  b.loop("strip", strips.big_count, b.min(strips.count, strips.big_count + rest), 1,
         [&](E strip) { body(strips.small, strips.start_small(strip)); });
}

}  // namespace tenon::schedule
