// std::ranges::contains, which g++ 12 lacks.
#pragma once

#include <algorithm>
#include <ranges>

namespace tenon {

template <std::ranges::input_range Range, class T>
constexpr bool contains(const Range& range, const T& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

}  // namespace tenon
