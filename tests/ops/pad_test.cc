#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using Dims = std::vector<ir::Dim>;

ir::Attrs pad(std::string mode, Dims before, Dims after) {
  return {{"mode", std::move(mode)}, {"before", std::move(before)}, {"after", std::move(after)}};
}

TEST(Pad, FillsWithTheValueOrZero) {
  Tensor x = floats({2, 2}, {1, 2, 3, 4});
  check(Op::kPad, {x}, pad("constant", {1, 0}, {0, 2}),
        {floats({3, 4}, {0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0})});
  check(Op::kPad, {x, floats({}, {9})}, pad("constant", {0, 1}, {1, 0}),
        {floats({3, 3}, {9, 1, 2, 9, 3, 4, 9, 9, 9})});
  check(Op::kPad, {tensor(DType::kBool, {1}, {0}), tensor(DType::kBool, {1}, {1})},
        pad("constant", {1}, {2}), {tensor(DType::kBool, {4}, {1, 0, 1, 1})});
  check(Op::kPad, {tensor(DType::kFloat16, {1}, {0.5}), tensor(DType::kFloat16, {}, {-2})},
        pad("constant", {1}, {0}), {tensor(DType::kFloat16, {2}, {-2, 0.5})});
  check(Op::kPad, {floats({}, {5})}, pad("constant", {}, {}), {floats({}, {5})});
  check(Op::kPad, {floats({0}, {})}, pad("constant", {1}, {1}), {floats({2}, {0, 0})});
}

TEST(Pad, CropsWithNegativeAmounts) {
  Tensor x = counting(DType::kFloat32, {5});
  check(Op::kPad, {x}, pad("constant", {-2}, {1}), {floats({4}, {2, 3, 4, 0})});
  check(Op::kPad, {x}, pad("constant", {1}, {-4}), {floats({2}, {0, 0})});
  check(Op::kPad, {x}, pad("constant", {-5}, {2}), {floats({2}, {0, 0})});
  check(Op::kPad, {x}, pad("reflect", {-1}, {2}), {floats({6}, {1, 2, 3, 4, 3, 2})});
  EXPECT_EQ(error_of(Op::kPad, {x}, pad("constant", {-3}, {-3})),
            "[5] cropped by -3 and -3 along axis 0");
}

TEST(Pad, RepeatsReflectsAndWraps) {
  Tensor x = floats({3}, {1, 2, 3});
  check(Op::kPad, {x}, pad("edge", {2}, {3}), {floats({8}, {1, 1, 1, 2, 3, 3, 3, 3})});
  check(Op::kPad, {x}, pad("reflect", {2}, {2}), {floats({7}, {3, 2, 1, 2, 3, 2, 1})});
  check(Op::kPad, {x}, pad("reflect", {5}, {6}),
        {floats({14}, {2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1})});
  check(Op::kPad, {x}, pad("wrap", {4}, {1}), {floats({8}, {3, 1, 2, 3, 1, 2, 3, 1})});
  check(Op::kPad, {floats({1}, {7})}, pad("reflect", {2}, {1}), {floats({4}, {7, 7, 7, 7})});
  check(Op::kPad, {floats({2, 3}, {1, 2, 3, 4, 5, 6})}, pad("reflect", {1, 1}, {0, 1}),
        {floats({3, 5}, {5, 4, 5, 6, 5, 2, 1, 2, 3, 2, 5, 4, 5, 6, 5})});
}

TEST(Pad, WorksAcrossTasks) {
  check(Op::kPad, {counting(DType::kInt32, {1, 2, 30, 40})},
        pad("constant", {0, 0, 1, 3}, {0, 1, 2, 0}),
        {generate(DType::kInt32, {1, 3, 33, 43}, [](int64_t i) -> double {
          const int64_t column = i % 43 - 3, row = i / 43 % 33 - 1, channel = i / (43 * 33);
          if (column < 0 || row < 0 || row >= 30 || channel >= 2) return 0;
          return static_cast<double>((channel * 30 + row) * 40 + column);
        })});
}

TEST(Pad, ChecksItsAttributes) {
  Tensor x = floats({2}, {1, 2});
  EXPECT_EQ(error_of(Op::kPad, {x}, pad("mirror", {1}, {1})), "unknown mode 'mirror'");
  EXPECT_EQ(error_of(Op::kPad, {x}, pad("edge", {1}, {1, 0})),
            "1 amounts before and 2 after for 1 axes");
  EXPECT_EQ(error_of(Op::kPad, {x, integers({}, {1})}, pad("constant", {1}, {1})),
            "the value is i64, the tensor f32");
  EXPECT_EQ(error_of(Op::kPad, {x, floats({2}, {1, 2})}, pad("constant", {1}, {1})),
            "the value must be one number, not [2]");
  EXPECT_EQ(error_of(Op::kPad, {floats({0}, {})}, pad("edge", {1}, {1})),
            "mode edge of an empty axis 0");
}

}  // namespace
}  // namespace tenon::testing
