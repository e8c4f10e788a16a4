#include "ops/tensor.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace tenon::ops {
namespace {

using ir::DType;

TEST(Half, EveryValueSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      ASSERT_EQ(float_to_half(value), half) << value;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float_to_half(1.0F + 0x1p-11F), 0x3c00);             // tie to even
  EXPECT_EQ(float_to_half(1.0F + 0x1p-10F + 0x1p-11F), 0x3c02);  // tie to even
  EXPECT_EQ(float_to_half(1.0F + 0x1.1p-11F), 0x3c01);
  EXPECT_EQ(float_to_half(65519.0F), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
  EXPECT_EQ(float_to_half(-1e9F), 0xfc00);
  EXPECT_EQ(float_to_half(0x1p-25F), 0x0000);  // half of the smallest subnormal: tie to even
  EXPECT_EQ(float_to_half(0x1.8p-24F), 0x0002);
  EXPECT_EQ(float_to_half(-0.0F), 0x8000);
}

TEST(BFloat, RoundsToNearestEvenAndKeepsNaN) {
  EXPECT_EQ(float_to_bfloat(1.0F + 0x1p-8F), 0x3f80);
  EXPECT_EQ(float_to_bfloat(1.0F + 0x1p-7F + 0x1p-8F), 0x3f82);
  EXPECT_TRUE(std::isnan(bfloat_to_float(float_to_bfloat(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_EQ(bfloat_to_float(0xc000), -2.0F);
}

TEST(Tensor, CastSaturatesTruncatesAndWraps) {
  Tensor x = Tensor::of<float>(DType::kFloat32, {5}, {-1.9F, 300.5F, NAN, -INFINITY, 0.25F});
  Tensor bytes = x.cast(DType::kUInt8);
  EXPECT_EQ(bytes.integer(0), 0);
  EXPECT_EQ(bytes.integer(1), 255);
  EXPECT_EQ(bytes.integer(2), 0);
  EXPECT_EQ(bytes.integer(4), 0);
  Tensor longs = x.cast(DType::kInt64);
  EXPECT_EQ(longs.integer(0), -1);
  EXPECT_EQ(longs.integer(3), std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(x.cast(DType::kBool).as<bool>()[4]);
  EXPECT_TRUE(x.cast(DType::kBool).as<bool>()[2]);

  Tensor large = Tensor::of<int64_t>(DType::kInt64, {2}, {257, -1});
  EXPECT_EQ(large.cast(DType::kUInt8).integer(0), 1);
  EXPECT_EQ(large.cast(DType::kUInt8).integer(1), 255);
}

TEST(Tensor, KeepsIntegersThatADoubleCannotHold) {
  Tensor x(DType::kInt64, {1});
  x.set_integer(0, (int64_t{1} << 60) + 1);
  EXPECT_EQ(x.integer(0), (int64_t{1} << 60) + 1);
}

TEST(Tensor, BorrowsBytesOfTheRightSizeOnly) {
  const float elements[2] = {1, 2};
  Tensor x = Tensor::borrow(DType::kFloat32, {2}, std::as_bytes(std::span(elements)));
  EXPECT_EQ(x.number(1), 2);
  EXPECT_THROW(Tensor::borrow(DType::kFloat32, {3}, std::as_bytes(std::span(elements))),
               InternalError);
}

TEST(Tensor, CopiesBytesThatAreNotAligned) {
  alignas(double) std::byte bytes[9] = {};
  const double value = 2.5;
  std::memcpy(bytes + 1, &value, sizeof(value));
  const Tensor x = Tensor::borrow(DType::kFloat64, {1}, std::span(bytes).subspan(1));
  EXPECT_NE(x.bytes(), bytes + 1);
  EXPECT_EQ(x.number(0), 2.5);
  EXPECT_THROW(Tensor::over(DType::kFloat64, {1}, std::span(bytes).subspan(1)), InternalError);
}

}  // namespace
}  // namespace tenon::ops
