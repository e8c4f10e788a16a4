// Expected values are those of ONNX's reference evaluator.
#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using Dims = std::vector<ir::Dim>;
using Numbers = std::vector<double>;

struct Rule {
  std::string mode = "nearest", coordinates = "half_pixel", nearest = "round_prefer_floor";
  bool exclude_outside = false;
};

ir::Attrs resize(Dims dims, Numbers scales, const Rule& rule) {
  return {{"dims", std::move(dims)},
          {"scales", std::move(scales)},
          {"mode", rule.mode},
          {"coordinates", rule.coordinates},
          {"nearest", rule.nearest},
          {"cubic", -0.75},
          {"exclude_outside", rule.exclude_outside}};
}

/// 1, 2, 3, 4 resized to as many elements as expected.
void check_line(const Rule& rule, const Numbers& expected, double scale = 0) {
  SCOPED_TRACE(rule.mode + " " + rule.coordinates + " " + rule.nearest);
  const auto size = static_cast<int64_t>(expected.size());
  if (scale == 0) scale = static_cast<double>(size) / 4;
  check(Op::kResize, {floats({4}, {1, 2, 3, 4})}, resize({size}, {scale}, rule),
        {floats({size}, expected)}, 1e-6);
}

TEST(Resize, NearestBySizeTen) {
  auto nearest = [](std::string coordinates, std::string rule, const Numbers& expected) {
    check_line({"nearest", std::move(coordinates), std::move(rule)}, expected);
  };
  for (const char* centred : {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"}) {
    nearest(centred, "round_prefer_floor", {1, 1, 1, 2, 2, 3, 3, 3, 4, 4});
    nearest(centred, "round_prefer_ceil", {1, 1, 2, 2, 2, 3, 3, 4, 4, 4});
    nearest(centred, "floor", {1, 1, 1, 1, 2, 2, 3, 3, 3, 4});
    nearest(centred, "ceil", {1, 2, 2, 2, 3, 3, 4, 4, 4, 4});
  }
  nearest("align_corners", "round_prefer_floor", {1, 1, 2, 2, 2, 3, 3, 3, 4, 4});
  nearest("align_corners", "floor", {1, 1, 1, 2, 2, 2, 3, 3, 3, 4});
  nearest("align_corners", "ceil", {1, 2, 2, 2, 3, 3, 3, 4, 4, 4});
  nearest("asymmetric", "round_prefer_floor", {1, 1, 2, 2, 3, 3, 3, 4, 4, 4});
  nearest("asymmetric", "floor", {1, 1, 1, 2, 2, 3, 3, 3, 4, 4});
  nearest("asymmetric", "ceil", {1, 2, 2, 3, 3, 3, 4, 4, 4, 4});
}

TEST(Resize, NearestByAWholeFactor) {
  for (const char* coordinates : {"half_pixel", "pytorch_half_pixel", "asymmetric"}) {
    check_line({"nearest", coordinates, "floor"}, std::string(coordinates) == "asymmetric"
                                                      ? Numbers{1, 1, 2, 2, 3, 3, 4, 4}
                                                      : Numbers{1, 1, 1, 2, 2, 3, 3, 4});
    check_line({"nearest", coordinates, "round_prefer_ceil"},
               std::string(coordinates) == "asymmetric" ? Numbers{1, 2, 2, 3, 3, 4, 4, 4}
                                                        : Numbers{1, 1, 2, 2, 3, 3, 4, 4});
    check_line({"nearest", coordinates, "round_prefer_floor"}, {1, 1, 2, 2, 3, 3, 4, 4});
  }
}

TEST(Resize, LinearUpAndDown) {
  auto linear = [](std::string coordinates, const Numbers& expected, double scale = 0) {
    check_line({"linear", std::move(coordinates)}, expected, scale);
  };
  for (const char* centred : {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"}) {
    linear(centred, {1, 1.1, 1.5, 1.9, 2.3, 2.7, 3.1, 3.5, 3.9, 4});
    linear(centred, {7.0 / 6, 2.5, 23.0 / 6});
  }
  linear("half_pixel", {2.5});
  linear("pytorch_half_pixel", {1});
  linear("align_corners", {1});
  linear("align_corners", {1, 2.5, 4});
  linear("asymmetric", {1, 7.0 / 3, 11.0 / 3});
  linear("half_pixel",
         {1, 1.1521738767623901, 1.58695650100708, 2.0217392444610596, 2.45652174949646,
          2.8913044929504395, 3.32608699798584, 3.7608697414398193, 4},
         2.3);
  linear("half_pixel_symmetric",
         {1, 1.1956521272659302, 1.6304347515106201, 2.0652174949645996, 2.5, 2.9347825050354004,
          3.36956524848938, 3.8043477535247803, 4},
         2.3);
}

TEST(Resize, Cubic) {
  check_line({"cubic", "half_pixel"}, {0.89453125, 1.19140625, 1.66796875, 2.296875, 2.703125,
                                       3.33203125, 3.80859375, 4.10546875});
  check_line({.mode = "cubic", .coordinates = "half_pixel", .exclude_outside = true},
             {0.8636363744735718, 1.173144817352295, 1.6452829837799072, 2.296875, 2.703125,
              3.3547170162200928, 3.826855182647705, 4.136363506317139});
  check_line({"cubic", "align_corners"},
             {1, 1.341107726097107, 1.8002915382385254, 2.3294479846954346, 2.67055344581604,
              3.1997087001800537, 3.6588921546936035, 4});
}

TEST(Resize, SeveralAxes) {
  check(Op::kResize, {floats({1, 1, 2, 2}, {1, 2, 3, 4})},
        resize({1, 1, 4, 4}, {1, 1, 2, 2}, {"linear"}),
        {floats({1, 1, 4, 4},
                {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4})},
        1e-6);
  check(Op::kResize, {counting(DType::kFloat32, {2, 3, 4})},
        resize({2, 6, 8}, {1, 2, 2}, {"nearest", "asymmetric", "floor"}),
        {generate(DType::kFloat32, {2, 6, 8},
                  [](int64_t i) { return i / 48 * 12 + i / 8 % 6 / 2 * 4 + i % 8 / 2; })});
}

TEST(Resize, EveryDtype) {
  for (DType dtype : {DType::kBool, DType::kUInt8, DType::kInt64, DType::kFloat16, DType::kBFloat16,
                      DType::kFloat64}) {
    check(Op::kResize, {tensor(dtype, {2}, {1, 0})}, resize({4}, {2}, {"nearest"}),
          {tensor(dtype, {4}, {1, 1, 0, 0})});
  }
  for (DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64}) {
    check(Op::kResize, {tensor(dtype, {2}, {1, 3})}, resize({4}, {2}, {"linear"}),
          {tensor(dtype, {4}, {1, 1.5, 2.5, 3})});
  }
  check(Op::kResize, {tensor(DType::kUInt8, {2}, {10, 30})}, resize({4}, {2}, {"linear"}),
        {tensor(DType::kUInt8, {4}, {10, 15, 25, 30})});
  Tensor large(DType::kInt64, {1});
  large.set_integer(0, (int64_t{1} << 60) + 1);
  EXPECT_EQ(evaluate(Op::kResize, {large}, resize({2}, {2}, {"nearest"})).integer(1),
            (int64_t{1} << 60) + 1);
}

TEST(Resize, ChecksItsAttributes) {
  Tensor x = floats({2}, {1, 2});
  EXPECT_EQ(error_of(Op::kResize, {x}, resize({4}, {2}, {"area"})),
            "unknown mode 'area'; there are nearest, linear, cubic");
  EXPECT_EQ(error_of(Op::kResize, {x}, resize({4, 1}, {2}, {})), "2 sizes and 1 scales for 1 axes");
  EXPECT_EQ(error_of(Op::kResize, {x}, resize({4}, {0}, {})), "scale 0 along axis 0");
  EXPECT_EQ(error_of(Op::kResize, {floats({0}, {})}, resize({4}, {2}, {})),
            "[0] has no elements to sample along axis 0");
  EXPECT_EQ(error_of(Op::kResize, {tensor(DType::kBool, {1}, {1})}, resize({2}, {2}, {"linear"})),
            "mode linear needs numbers, not bool");
}

}  // namespace
}  // namespace tenon::testing
