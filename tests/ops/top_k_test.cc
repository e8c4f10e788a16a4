#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::integers;

ir::Attrs attrs(int64_t k, int64_t axis, bool largest) {
  return {{"k", std::vector<ir::Dim>{k}}, {"axis", axis}, {"largest", largest}};
}

TEST(TopK, TiesTakeTheLowerIndexFirst) {
  const Tensor x = floats({2, 4}, {1, 3, 3, 2, 5, 5, 5, 5});
  check(Op::kTopK, {x}, attrs(3, 1, true),
        {floats({2, 3}, {3, 3, 2, 5, 5, 5}), integers({2, 3}, {1, 2, 3, 0, 1, 2})});
  check(Op::kTopK, {x}, attrs(2, 1, false),
        {floats({2, 2}, {1, 2, 5, 5}), integers({2, 2}, {0, 3, 0, 1})});
}

TEST(TopK, AnotherAxisAndAllElements) {
  const Tensor x = testing::tensor(DType::kInt32, {3, 2}, {1, 6, 3, 4, 2, 5});
  check(Op::kTopK, {x}, attrs(3, 0, true),
        {testing::tensor(DType::kInt32, {3, 2}, {3, 6, 2, 5, 1, 4}),
         integers({3, 2}, {1, 0, 2, 2, 0, 1})});
}

TEST(TopK, AllElementsOfLinesOfAnyLengthInOrder) {
  for (int64_t size = 1; size < 10; ++size) {
    std::vector<double> numbers, sorted, places;
    for (int64_t i = 0; i < size; ++i) numbers.push_back(static_cast<double>(i * 5 % 7 / 2));
    for (int64_t number = 3; number >= 0; --number) {
      for (int64_t i = 0; i < size; ++i) {
        if (numbers[i] != static_cast<double>(number)) continue;
        sorted.push_back(static_cast<double>(number));
        places.push_back(static_cast<double>(i));
      }
    }
    check(Op::kTopK, {floats({size}, numbers)}, attrs(size, 0, true),
          {floats({size}, sorted), integers({size}, places)});
  }
}

/// By fewer steps than its square, which are too many to interpret.
TEST(TopK, SortsALongLine) {
  constexpr int64_t kSize = 20'000;
  std::vector<double> up(kSize), down(kSize);
  std::iota(up.begin(), up.end(), 0);
  std::ranges::reverse_copy(up, down.begin());
  check(Op::kTopK, {floats({kSize}, down)}, attrs(kSize, 0, false),
        {floats({kSize}, up), integers({kSize}, down)});
}

TEST(TopK, InfinitiesAreElements) {
  const Tensor x = floats({3}, {-INFINITY, -INFINITY, 0});
  check(Op::kTopK, {x}, attrs(3, 0, true),
        {floats({3}, {0, -INFINITY, -INFINITY}), integers({3}, {2, 0, 1})});
}

TEST(TopK, EveryDType) {
  for (DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64, DType::kInt8,
                      DType::kUInt8, DType::kInt64}) {
    const Tensor x = testing::tensor(dtype, {2, 1, 3}, {2, 7, 4, 9, 1, 5});
    check(Op::kTopK, {x}, attrs(2, 2, true),
          {testing::tensor(dtype, {2, 1, 2}, {7, 4, 9, 5}), integers({2, 1, 2}, {1, 2, 0, 2})});
  }
}

TEST(TopK, NoneAtAll) {
  check(Op::kTopK, {floats({2}, {1, 2})}, attrs(0, 0, true),
        {Tensor(DType::kFloat32, {0}), Tensor(DType::kInt64, {0})});
}

TEST(TopK, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kTopK, {floats({2}, {1, 2})}, attrs(3, 0, true)),
            "k = 3 is not between 0 and the 2 elements of axis 0");
}

}  // namespace
}  // namespace tenon
