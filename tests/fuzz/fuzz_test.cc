// Every target for a fixed number of runs; TENON_FUZZ_RUNS says how many instead, and
// TENON_FUZZ_FIRST the number of the first.
#include <gtest/gtest.h>

#include <cstdlib>

#include "fuzz/targets.h"

namespace tenon::fuzz {
namespace {

size_t setting(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Fuzz : public ::testing::TestWithParam<Target (*)()> {};

TEST_P(Fuzz, ReadsAnything) {
  const Target target = GetParam()();
  for (const std::string& seed : target.seeds) target.read(seed);
  fuzz(target, setting("TENON_FUZZ_FIRST", 0), setting("TENON_FUZZ_RUNS", 1000));
}

INSTANTIATE_TEST_SUITE_P(All, Fuzz,
                         ::testing::Values(onnx_target, pt2_target, aten_target, expression_target,
                                           operators_target, graph_target, loop_target,
                                           state_target, artifact_target, npy_target, npz_target),
                         [](const auto& info) { return info.param().name; });

TEST(Mutation, IsDeterminedByTheRun) {
  const Target target{.name = "text", .seeds = {"one two three", "four"}, .read = {}};
  EXPECT_EQ(mutated(target, 7), mutated(target, 7));
  size_t changed = 0;
  for (size_t run = 0; run < 100; ++run) changed += mutated(target, run) != target.seeds[0];
  EXPECT_GT(changed, 50U);
}

}  // namespace
}  // namespace tenon::fuzz
