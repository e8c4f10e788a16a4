// What kernels bring into caches before they need it: weights of the next panel, and the lines
// where a tile's results go.
#include <algorithm>

#include "driver/pipeline.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::ModelBuilder;
using Integers = std::vector<int64_t>;

struct Prefetches {
  int64_t reads, writes;
};

/// Of the loops of a convolution of square maps.
Prefetches prefetches(int64_t size, const Integers& filter, int64_t groups) {
  const int64_t pad = filter[2] / 2;
  ModelBuilder m;
  m.output(m.add(Op::kConv,
                 {m.input("x", {1, filter[1] * groups, size, size}), m.parameter(filter)},
                 {{"strides", Integers{1, 1}},
                  {"pads", Integers{pad, pad, pad, pad}},
                  {"dilations", Integers{1, 1}},
                  {"groups", groups}}));
  driver::State state{.module = m.module, .target = *find_target("x86-64-v3")};
  EXPECT_TRUE(driver::run_pipeline(state, "import", "to-loops"));
  Prefetches counts{};
  for (const passes::Kernel& kernel : state.kernels) {
    if (state.module.node(kernel.nodes.front()).op != Op::kConv) continue;
    for (const ir::Statement& statement : kernel.function.statements) {
      if (statement.kind != ir::StatementKind::kPrefetch) continue;
      ++(statement.number == 0 ? counts.reads : counts.writes);
    }
  }
  return counts;
}

TEST(Prefetch, WeightsOfTheNextPanel) {
  EXPECT_GT(prefetches(14, {96, 64, 1, 1}, 1).reads, 0);
  EXPECT_GT(prefetches(7, {512, 512, 1, 1}, 1).reads, 0) << "more than the cache holds";
  EXPECT_EQ(prefetches(14, {8, 64, 1, 1}, 1).reads, 0) << "there is one panel";
  EXPECT_EQ(prefetches(112, {96, 64, 1, 1}, 1).reads, 0) << "so many rows hide the wait";
}

TEST(Prefetch, LinesOfDepthwiseResults) {
  EXPECT_GT(prefetches(14, {32, 1, 3, 3}, 32).writes, 0);
  EXPECT_EQ(prefetches(14, {96, 64, 1, 1}, 1).writes, 0) << "long sums hide the wait";
}

}  // namespace
}  // namespace tenon
