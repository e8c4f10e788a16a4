// Places in files.
#pragma once

#include <cstdint>

namespace tenon {

/// The first multiple of `to` from `offset` on.
constexpr uint64_t aligned(uint64_t offset, uint64_t to) { return (offset + to - 1) / to * to; }

}  // namespace tenon
