#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::integers;

TEST(RowOrder, TheFirstColumnThatDiffersDecides) {
  check(Op::kRowOrder, {floats({5, 2}, {2, 1, 1, 9, 2, 0, 1, -INFINITY, 2, 0})}, {},
        {integers({5}, {3, 1, 2, 4, 0})});
}

TEST(RowOrder, EqualRowsStayInOrder) {
  check(Op::kRowOrder, {floats({3, 2}, {1, 2, 1, 2, 1, 2})}, {}, {integers({3}, {0, 1, 2})});
  check(Op::kRowOrder, {Tensor(DType::kFloat32, {3, 0})}, {}, {integers({3}, {0, 1, 2})});
  check(Op::kRowOrder, {Tensor(DType::kFloat32, {0, 3})}, {}, {integers({0}, {})});
}

TEST(RowOrder, EveryDType) {
  for (DType dtype : {DType::kBool, DType::kFloat16, DType::kBFloat16, DType::kFloat64,
                      DType::kInt8, DType::kUInt8, DType::kInt64, DType::kUInt64}) {
    check(Op::kRowOrder, {testing::tensor(dtype, {3, 2}, {1, 1, 0, 1, 0, 0})}, {},
          {integers({3}, {2, 1, 0})});
  }
}

TEST(RowOrder, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kRowOrder, {floats({2}, {1, 2})}, {}),
            "[2] is not [row, column]");
}

}  // namespace
}  // namespace tenon
