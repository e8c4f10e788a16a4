#include "runtime/memory.h"

#include <algorithm>
#include <numeric>

#include "runtime/array.h"

namespace tenon::runtime {
namespace {

/// Room that a buffer takes: whole cache lines, and never a multiple of 4096, so that neighbours
/// in the arena do not start at the same place of a page.
uint64_t room(uint64_t bytes) {
  uint64_t rounded = (bytes + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  return rounded > 0 && rounded % 4096 == 0 ? rounded + 3 * kBufferAlignment : rounded;
}

bool share_a_step(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

bool largest_live_sum(std::span<const Lifetime> buffers, uint64_t& largest) {
  uint32_t steps = 0;
  for (const Lifetime& buffer : buffers) steps = std::max(steps, buffer.last + 1);
  Array<uint64_t> change;
  if (!change.reset(size_t{steps} + 1)) return false;
  for (const Lifetime& buffer : buffers) {
    change[buffer.first] += room(buffer.bytes);
    change[buffer.last + 1] -= room(buffer.bytes);
  }
  largest = 0;
  uint64_t live = 0;
  for (uint64_t delta : change) largest = std::max(largest, live += delta);
  return true;
}

namespace {

/// Places buffers in the given order, each into the smallest gap that holds it among the buffers
/// placed before. `by_offset` has room for all.
uint64_t place(std::span<const Lifetime> buffers, std::span<const uint32_t> order,
               std::span<uint32_t> by_offset, std::span<uint64_t> offsets) {
  uint64_t total = 0;
  size_t placed = 0;
  for (uint32_t index : order) {
    uint64_t needed = room(buffers[index].bytes);
    offsets[index] = 0;
    if (needed == 0) continue;
    uint64_t best = 0, best_gap = UINT64_MAX, end = 0;
    for (size_t k = 0; k < placed; ++k) {
      uint32_t other = by_offset[k];
      if (!share_a_step(buffers[index], buffers[other])) continue;
      if (offsets[other] > end) {
        uint64_t gap = offsets[other] - end;
        if (gap >= needed && gap < best_gap) {
          best_gap = gap;
          best = end;
        }
      }
      end = std::max(end, offsets[other] + room(buffers[other].bytes));
    }
    offsets[index] = best_gap == UINT64_MAX ? end : best;
    total = std::max(total, offsets[index] + needed);
    size_t at = placed++;
    for (; at > 0 && offsets[by_offset[at - 1]] > offsets[index]; --at) {
      by_offset[at] = by_offset[at - 1];
    }
    by_offset[at] = index;
  }
  return total;
}

/// Whether a comes before b, in each of the orders that are tried.
using Before = bool (*)(const Lifetime& a, const Lifetime& b);
constexpr Before kOrders[] = {
    [](const Lifetime& a, const Lifetime& b) { return a.bytes > b.bytes; },
    [](const Lifetime& a, const Lifetime& b) {
      return double(a.bytes) * (a.last - a.first + 1) > double(b.bytes) * (b.last - b.first + 1);
    },
    [](const Lifetime& a, const Lifetime& b) {
      return a.first != b.first ? a.first < b.first : a.bytes > b.bytes;
    },
    [](const Lifetime& a, const Lifetime& b) {
      uint32_t length = a.last - a.first, other = b.last - b.first;
      return length != other ? length > other : a.bytes > b.bytes;
    },
};

}  // namespace

bool plan_memory(std::span<const Lifetime> buffers, std::span<uint64_t> offsets, uint64_t& total) {
  size_t count = buffers.size();
  uint64_t bound = 0;
  Array<uint32_t> order, by_offset;
  Array<uint64_t> candidate;
  if (!largest_live_sum(buffers, bound) || !order.reset(count) || !by_offset.reset(count) ||
      !candidate.reset(count)) {
    return false;
  }
  total = UINT64_MAX;
  for (Before before : kOrders) {
    std::iota(order.begin(), order.end(), 0u);
    // Ties go by index, so that a plan is the same everywhere.
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      if (before(buffers[a], buffers[b])) return true;
      return !before(buffers[b], buffers[a]) && a < b;
    });
    uint64_t needed =
        place(buffers, {order.data(), count}, {by_offset.data(), count}, {candidate.data(), count});
    if (needed < total) {
      total = needed;
      std::copy(candidate.begin(), candidate.end(), offsets.begin());
    }
    if (total == bound) break;
  }
  return true;
}

}  // namespace tenon::runtime
