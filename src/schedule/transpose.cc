#include "schedule/transpose.h"

namespace tenon::schedule {

std::vector<ir::E> transpose(ir::LoopBuilder& builder, std::vector<ir::E> rows) {
  const size_t count = rows.size();
  // Each round swaps the two blocks off the diagonal in every square of 2 * size rows.
  for (size_t size = 1; size < count; size *= 2) {
    std::vector<int> low, high;
    for (size_t lane = 0; lane < count; ++lane) {
      const bool right = (lane & size) != 0;
      low.push_back(static_cast<int>(right ? count + lane - size : lane));
      high.push_back(static_cast<int>(right ? count + lane : lane + size));
    }
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
