#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;

ir::Attrs attrs(int64_t axis, bool exclusive, bool reverse) {
  return {{"axis", axis}, {"exclusive", exclusive}, {"reverse", reverse}};
}

TEST(CumSum, FourWays) {
  const Tensor x = floats({3}, {1, 2, 3});
  check(Op::kCumSum, {x}, attrs(0, false, false), {floats({3}, {1, 3, 6})});
  check(Op::kCumSum, {x}, attrs(0, true, false), {floats({3}, {0, 1, 3})});
  check(Op::kCumSum, {x}, attrs(0, false, true), {floats({3}, {6, 5, 3})});
  check(Op::kCumSum, {x}, attrs(0, true, true), {floats({3}, {5, 3, 0})});
}

TEST(CumSum, EveryAxisOfSeveralDTypes) {
  for (DType dtype :
       {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt32, DType::kUInt8}) {
    const Tensor x = testing::random_tensor(dtype, {3, 4, 5}, 1);
    for (int64_t axis : {0, 1, 2}) {
      const int64_t stride = axis == 0 ? 20 : axis == 1 ? 5 : 1, size = x.shape()[axis];
      const Tensor expected = testing::generate(dtype, x.shape(), [&](int64_t i) {
        double sum = 0;
        for (int64_t j = 0; j <= i / stride % size; ++j) sum += x.number(i - j * stride);
        return sum;
      });
      check(Op::kCumSum, {x}, attrs(axis, false, false), {expected});
    }
  }
}

TEST(CumSum, IntegersWrap) {
  const Tensor x = testing::tensor(DType::kInt8, {3}, {100, 100, 100});
  check(Op::kCumSum, {x}, attrs(0, false, false),
        {testing::tensor(DType::kInt8, {3}, {100, -56, 44})});
}

TEST(CumProd, FourWays) {
  const Tensor x = floats({2, 2}, {2, 3, 4, 5});
  check(Op::kCumProd, {x}, attrs(1, false, false), {floats({2, 2}, {2, 6, 4, 20})});
  check(Op::kCumProd, {x}, attrs(1, true, false), {floats({2, 2}, {1, 2, 1, 4})});
  check(Op::kCumProd, {x}, attrs(0, false, true), {floats({2, 2}, {8, 15, 4, 5})});
  check(Op::kCumProd, {x}, attrs(0, true, true), {floats({2, 2}, {4, 5, 1, 1})});
}

TEST(CumSum, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kCumSum, {floats({1}, {0})}, attrs(1, false, false)),
            "axis 1 is not in [0, 1)");
  EXPECT_EQ(testing::error_of(Op::kCumSum, {Tensor(DType::kBool, {1})}, attrs(0, false, false)),
            "bools have no sum or product");
}

}  // namespace
}  // namespace tenon
