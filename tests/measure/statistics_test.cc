#include "measure/statistics.h"

#include <gtest/gtest.h>

#include <vector>

#include "measure/roofline.h"
#include "measure/timing.h"

namespace tenon::measure {
namespace {

TEST(Statistics, QuantilesLieBetweenSamples) {
  const std::vector<double> ascending = {1, 2, 4};
  EXPECT_EQ(quantile(ascending, 0), 1);
  EXPECT_EQ(quantile(ascending, 0.25), 1.5);
  EXPECT_EQ(quantile(ascending, 0.75), 3);
  EXPECT_EQ(quantile(ascending, 1), 4);
}

TEST(Statistics, SummaryOfUnsortedSamples) {
  const Summary summary = summarize(std::vector<double>{5, 1, 3});
  EXPECT_EQ(summary.count, 3u);
  EXPECT_EQ(summary.min, 1);
  EXPECT_EQ(summary.mean, 3);
  EXPECT_EQ(summary.stddev, 2);
  EXPECT_EQ(summary.p50, 3);
  EXPECT_EQ(summarize(std::vector<double>{7}).stddev, 0);
}

TEST(Timing, CallsAtLeastTheFewestTimesAndStopsAtAFailure) {
  size_t made = 0;
  const auto calls = time_calls(
      [&]() -> Result<void> {
        ++made;
        return {};
      },
      0);
  ASSERT_TRUE(calls);
  EXPECT_EQ(calls->seconds.size(), kFewestCalls);
  EXPECT_EQ(made, kFewestCalls + 1);
  const auto failed =
      time_calls([]() -> Result<void> { return fail(ErrorKind::kRuntime, "no"); }, 1);
  EXPECT_FALSE(failed);
}

TEST(Roofline, TheSlowerOfComputingAndReadingDecides) {
  const Roofline roofline{.flops_per_second = 10, .bytes_per_second = 2};
  EXPECT_EQ(roofline.seconds(100, 2), 10);
  EXPECT_EQ(roofline.seconds(10, 20), 10);
}

}  // namespace
}  // namespace tenon::measure
