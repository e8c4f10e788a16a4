// Axes as model files name them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tenon::import {

/// first, first + 1, ..., rank - 1.
std::vector<int64_t> axes_from(int64_t first, int64_t rank);

/// Counts axes in [-rank, rank) from the front. What is wrong with one that is outside, or that is
/// there twice; else nothing.
std::optional<std::string> count_from_front(std::span<int64_t> axes, int64_t rank);

}  // namespace tenon::import
