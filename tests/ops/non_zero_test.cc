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

TEST(NonZero, PositionsAreRowMajorAndThenZeros) {
  check(Op::kNonZero, {floats({2, 3}, {0, 1, 0, -2, NAN, -0.0})}, {},
        {integers({6}, {1, 3, 4, 0, 0, 0}), integers({}, {3})});
}

TEST(NonZero, AllAndNone) {
  check(Op::kNonZero, {floats({3}, {1, 2, 3})}, {}, {integers({3}, {0, 1, 2}), integers({}, {3})});
  check(Op::kNonZero, {floats({3}, {0, 0, 0})}, {}, {integers({3}, {0, 0, 0}), integers({}, {0})});
  check(Op::kNonZero, {floats({0, 3}, {})}, {}, {integers({0}, {}), integers({}, {0})});
}

TEST(NonZero, AScalarHasOnePosition) {
  check(Op::kNonZero, {floats({}, {5})}, {}, {integers({1}, {0}), integers({}, {1})});
}

TEST(NonZero, EveryDType) {
  for (DType dtype : {DType::kBool, DType::kFloat16, DType::kBFloat16, DType::kFloat64,
                      DType::kInt8, DType::kUInt8, DType::kInt64}) {
    check(Op::kNonZero, {testing::tensor(dtype, {4}, {0, 1, 1, 0})}, {},
          {integers({4}, {1, 2, 0, 0}), integers({}, {2})});
  }
}

}  // namespace
}  // namespace tenon
