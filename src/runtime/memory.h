// Places buffers that live for a part of the run in one arena.
#pragma once

#include <cstdint>
#include <span>

namespace tenon::runtime {

/// A buffer of `bytes` that is in use from step `first` to step `last`, both included.
struct Lifetime {
  uint32_t first, last;
  uint64_t bytes;
};

/// What buffers must be apart to lie in different cache lines.
constexpr uint64_t kBufferAlignment = 64;

/// Gives every buffer an offset, a multiple of 64, such that buffers that share a step do not
/// overlap; buffers of 0 bytes get offset 0. Writes the arena's size to `total`. Large buffers are
/// placed a little apart from multiples of 4096, where loads and stores would be taken for
/// dependent. Sizes must sum to less than 2^62. False when memory for the planning itself is short.
///
/// Greedy best fit over several orders of placement; the smallest arena wins, and the search stops
/// at the sum of what lives at once. (The orders are those of XNNPACK's and TVM's planners.)
[[nodiscard]] bool plan_memory(std::span<const Lifetime> buffers, std::span<uint64_t> offsets,
                               uint64_t& total);

/// The most bytes that are in use at one step, each buffer with the room that it takes: no arena
/// can be smaller. False when memory is short.
[[nodiscard]] bool largest_live_sum(std::span<const Lifetime> buffers, uint64_t& largest);

}  // namespace tenon::runtime
