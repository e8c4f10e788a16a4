#include "import/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace tenon::import {

std::vector<int64_t> axes_from(int64_t first, int64_t rank) {
  std::vector<int64_t> axes(static_cast<size_t>(std::max<int64_t>(rank - first, 0)));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

std::optional<std::string> count_from_front(std::span<int64_t> axes, int64_t rank) {
  for (int64_t& axis : axes) {
    if (axis < -rank || axis >= rank) {
      return fmt::format("axis {} of a tensor with {} axes", axis, rank);
    }
    if (axis < 0) axis += rank;
  }
  std::vector<int64_t> sorted(axes.begin(), axes.end());
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return "names an axis twice";
  return std::nullopt;
}

}  // namespace tenon::import
