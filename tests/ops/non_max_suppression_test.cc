#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::integers;

ir::Attrs attrs(int64_t most, bool center = false) {
  return {{"most", std::vector<ir::Dim>{most}}, {"center", center}};
}

Tensor scalar(double value) { return floats({}, {value}); }

/// Two pairs of boxes that overlap by 9 parts of 11, and one box apart.
const std::vector<double> kCorners = {0, 0,  1, 1,    0, 0.1,  1, 1.1, 0, 10,
                                      1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101};

TEST(NonMaxSuppression, KeepsTheBestOfBoxesThatOverlap) {
  const Tensor boxes = floats({1, 5, 4}, kCorners);
  check(Op::kNonMaxSuppression,
        {boxes, floats({1, 1, 5}, {0.5, 0.9, 0.75, 0.75, 0.3}), scalar(0.5), scalar(0)}, attrs(5),
        {integers({5, 3}, {0, 0, 1, 0, 0, 2, 0, 0, 4, 0, 0, 0, 0, 0, 0}), integers({}, {3})});
  check(Op::kNonMaxSuppression,
        {boxes, floats({1, 1, 5}, {0.5, 0.9, 0.75, 0.75, 0.3}), scalar(0.9), scalar(0.5)}, attrs(9),
        {integers({5, 3}, {0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0}), integers({}, {3})});
}

TEST(NonMaxSuppression, KeepsAtMostSoManyOfAClass) {
  check(Op::kNonMaxSuppression,
        {floats({1, 5, 4}, kCorners), floats({1, 2, 5}, {0.5, 0.9, 0.75, 0.6, 0.3, 1, 0, 0, 2, 3}),
         scalar(0.5), scalar(0.1)},
        attrs(2), {integers({4, 3}, {0, 0, 1, 0, 0, 2, 0, 1, 4, 0, 1, 3}), integers({}, {4})});
  check(Op::kNonMaxSuppression,
        {floats({1, 5, 4}, kCorners), floats({1, 1, 5}, {1, 1, 1, 1, 1}), scalar(0.5), scalar(0)},
        attrs(0), {integers({0, 3}, {}), integers({}, {0})});
}

TEST(NonMaxSuppression, CornersInAnyOrderAndCenters) {
  const Tensor scores = floats({1, 1, 2}, {0.5, 0.9});
  check(Op::kNonMaxSuppression,
        {floats({1, 2, 4}, {1, 1, 0, 0, 0, 1.1, 1, 0.1}), scores, scalar(0.5), scalar(0)}, attrs(2),
        {integers({2, 3}, {0, 0, 1, 0, 0, 0}), integers({}, {1})});
  check(Op::kNonMaxSuppression,
        {floats({1, 2, 4}, {0.5, 0.5, 1, 1, 0.6, 0.5, 1, 1}), scores, scalar(0.5), scalar(0)},
        attrs(2, true), {integers({2, 3}, {0, 0, 1, 0, 0, 0}), integers({}, {1})});
}

TEST(NonMaxSuppression, BatchesHaveBoxesOfTheirOwn) {
  check(Op::kNonMaxSuppression,
        {floats({2, 2, 4}, {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 5, 5, 6, 6}),
         floats({2, 1, 2}, {0.1, 0.2, 0.1, 0.2}), scalar(0.5), scalar(0)},
        attrs(2), {integers({4, 3}, {0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0}), integers({}, {3})});
}

TEST(NonMaxSuppression, BoxesWithoutAreaOverlapNothing) {
  check(Op::kNonMaxSuppression,
        {floats({1, 2, 4}, {1, 1, 1, 1, 1, 1, 1, 1}), floats({1, 1, 2}, {1, 2}), scalar(0),
         scalar(0)},
        attrs(2), {integers({2, 3}, {0, 0, 1, 0, 0, 0}), integers({}, {2})});
}

TEST(NonMaxSuppression, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kNonMaxSuppression,
                              {floats({1, 2, 4}, {0, 0, 0, 0, 0, 0, 0, 0}), floats({1, 1, 1}, {1}),
                               scalar(0), scalar(0)},
                              attrs(1)),
            "boxes [1, 2, 4] and scores [1, 1, 1] differ in batch or number");
  EXPECT_EQ(testing::error_of(Op::kNonMaxSuppression,
                              {floats({2, 4}, {0, 0, 0, 0, 0, 0, 0, 0}), floats({1, 1, 2}, {1, 1}),
                               scalar(0), scalar(0)},
                              attrs(1)),
            "boxes [2, 4] and scores [1, 1, 2] are not [batch, box, 4] and [batch, class, box]");
}

}  // namespace
}  // namespace tenon
