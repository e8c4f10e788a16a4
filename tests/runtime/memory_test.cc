// The memory planner against a checker that knows nothing but the rule.
#include "runtime/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tenon::runtime {
namespace {

/// Whether two buffers that share a step overlap in memory, reach beyond the arena, or start off a
/// cache line.
bool is_sound(const std::vector<Lifetime>& buffers, const std::vector<uint64_t>& offsets,
              uint64_t total) {
  for (size_t a = 0; a < buffers.size(); ++a) {
    if (offsets[a] % 64 != 0 || offsets[a] + buffers[a].bytes > total) return false;
    for (size_t b = 0; b < a; ++b) {
      bool together = false;
      for (uint32_t step = buffers[a].first; step <= buffers[a].last; ++step) {
        together |= step >= buffers[b].first && step <= buffers[b].last;
      }
      bool apart = offsets[a] + buffers[a].bytes <= offsets[b] ||
                   offsets[b] + buffers[b].bytes <= offsets[a] || buffers[a].bytes == 0 ||
                   buffers[b].bytes == 0;
      if (together && !apart) return false;
    }
  }
  return true;
}

struct Placement {
  std::vector<uint64_t> offsets;
  uint64_t total = 0;
};

Placement plan(const std::vector<Lifetime>& buffers) {
  Placement placement{std::vector<uint64_t>(buffers.size(), 1), 0};
  EXPECT_TRUE(plan_memory(buffers, placement.offsets, placement.total));
  return placement;
}

std::vector<Lifetime> random_buffers(std::mt19937& random) {
  size_t count = random() % 60;
  uint32_t steps = 1 + random() % 30;
  std::vector<Lifetime> buffers(count);
  for (Lifetime& buffer : buffers) {
    buffer.first = random() % steps;
    buffer.last = std::min<uint32_t>(steps - 1, buffer.first + random() % 6);
    buffer.bytes = random() % 5 == 0 ? random() % 3 * 4096 : random() % 20000;
  }
  return buffers;
}

TEST(Memory, NeverOverlaps) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<Lifetime> buffers = random_buffers(random);
    Placement placement = plan(buffers);
    EXPECT_TRUE(is_sound(buffers, placement.offsets, placement.total)) << round;
  }
}

TEST(Memory, TheCheckerSeesAPlantedOverlap) {
  std::vector<Lifetime> buffers = {{0, 1, 256}, {1, 2, 256}, {2, 3, 256}};
  EXPECT_TRUE(is_sound(buffers, {0, 256, 0}, 512));
  EXPECT_FALSE(is_sound(buffers, {0, 192, 0}, 512));
  EXPECT_FALSE(is_sound(buffers, {0, 256, 0}, 448));
  EXPECT_FALSE(is_sound(buffers, {0, 257, 0}, 1024));
}

TEST(Memory, BuffersThatMeetInAStepAreApart) {
  Placement placement = plan({{0, 3, 128}, {3, 5, 128}});
  EXPECT_NE(placement.offsets[0], placement.offsets[1]);
  EXPECT_EQ(placement.total, 256u);
}

TEST(Memory, ReusesWhatIsDead) {
  // A chain needs two buffers at a time.
  std::vector<Lifetime> chain;
  for (uint32_t i = 0; i < 100; ++i) chain.push_back({i, i + 1, 640});
  EXPECT_EQ(plan(chain).total, 1280u);
}

TEST(Memory, FillsTheGapBelowTheFirstLiveBuffer) {
  // By size: 1000 at 0, 800 above it; the 900 of later steps fits below the 800.
  Placement placement = plan({{0, 1, 64 * 100}, {1, 3, 64 * 80}, {2, 3, 64 * 90}});
  EXPECT_EQ(placement.total, 64u * 180);
}

TEST(Memory, KeepsLargeNeighboursOffPageDistance) {
  Placement placement = plan({{0, 1, 1 << 20}, {0, 1, 1 << 20}, {1, 2, 1 << 20}});
  EXPECT_NE((placement.offsets[1] - placement.offsets[0]) % 4096, 0u);
}

TEST(Memory, EmptyPlansAndBuffers) {
  EXPECT_EQ(plan({}).total, 0u);
  Placement placement = plan({{0, 0, 0}, {0, 0, 64}, {0, 0, 0}});
  EXPECT_EQ(placement.total, 64u);
  EXPECT_EQ(placement.offsets, std::vector<uint64_t>({0, 0, 0}));
}

// Greedy placement comes close to what lives at once: 1.1 % above it on average here.
TEST(Memory, StaysNearTheLowerBound) {
  std::mt19937 random(2);
  double sum = 0;
  int plans = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> buffers = random_buffers(random);
    std::vector<uint64_t> live(40);
    for (const Lifetime& buffer : buffers) {
      for (uint32_t step = buffer.first; step <= buffer.last; ++step) {
        live[step] += (buffer.bytes + 63) / 64 * 64 + (buffer.bytes % 4096 == 0 ? 192 : 0);
      }
    }
    uint64_t bound = *std::max_element(live.begin(), live.end());
    if (bound == 0) continue;
    sum += double(plan(buffers).total) / double(bound);
    ++plans;
  }
  EXPECT_LE(sum / plans, 1.02);
}

}  // namespace
}  // namespace tenon::runtime
