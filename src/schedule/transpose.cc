#include "schedule/transpose.h"

namespace tenon::schedule {

Exchange exchange(size_t lanes, size_t size) {
  Exchange result;
  for (size_t lane = 0; lane < lanes; ++lane) {
    const bool right = (lane & size) != 0;
    result.low.push_back(static_cast<int>(right ? lanes + lane - size : lane));
    result.high.push_back(static_cast<int>(right ? lanes + lane : lane + size));
  }
  return result;
}

std::vector<ir::E> transpose(ir::LoopBuilder& builder, std::vector<ir::E> rows) {
  const size_t count = rows.size();
  // Each round swaps the two blocks off the diagonal in every square of 2 * size rows.
  for (size_t size = 1; size < count; size *= 2) {
    const auto [low, high] = exchange(count, size);
    for (size_t i = 0; i < count; ++i) {
      if ((i & size) != 0) continue;
      const ir::E upper = rows[i], lower = rows[i + size];
      rows[i] = builder.let("t", builder.shuffle(upper, lower, low));
      rows[i + size] = builder.let("t", builder.shuffle(upper, lower, high));
    }
  }
  return rows;
}

}  // namespace tenon::schedule
