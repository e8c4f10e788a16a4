#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::random_tensor;

constexpr double kEpsilon = 1e-3;
constexpr std::pair<DType, double> kDTypes[] = {{DType::kFloat32, 1e-5},
                                                {DType::kFloat64, 1e-12},
                                                {DType::kFloat16, 1e-2},
                                                {DType::kBFloat16, 5e-2}};

/// (x - mean) / deviation over runs of `count` elements that follow each other in row-major order.
Tensor standardise(const Tensor& x, int64_t count, bool centre) {
  return testing::generate(x.dtype(), x.shape(), [&](int64_t i) {
    const int64_t first = i / count * count;
    double mean = 0, squares = 0;
    for (int64_t j = 0; j < count; ++j) mean += x.number(first + j) / static_cast<double>(count);
    if (!centre) mean = 0;
    for (int64_t j = 0; j < count; ++j) squares += std::pow(x.number(first + j) - mean, 2);
    return (x.number(i) - mean) / std::sqrt(squares / static_cast<double>(count) + kEpsilon);
  });
}

TEST(LayerNorm, OneAndTwoAxes) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    const Tensor x = random_tensor(dtype, {3, 4, 5}, 1);
    for (int64_t axes : {1, 2}) {
      const std::vector<int64_t> shape(x.shape().end() - axes, x.shape().end());
      const int64_t count = axes == 1 ? 5 : 20;
      const Tensor scale = random_tensor(dtype, shape, 2), bias = random_tensor(dtype, shape, 3);
      const Tensor plain = standardise(x.cast(DType::kFloat64), count, true);
      const auto scaled = [&](bool with_bias) {
        return testing::generate(dtype, x.shape(), [&](int64_t i) {
          const double y = plain.number(i) * scale.number(i % count);
          return with_bias ? y + bias.number(i % count) : y;
        });
      };
      const ir::Attrs attrs = {{"axes", axes}, {"epsilon", kEpsilon}};
      check(Op::kLayerNorm, {x, scale, bias}, attrs, {scaled(true)}, tolerance);
      check(Op::kLayerNorm, {x, scale}, attrs, {scaled(false)}, tolerance);
      check(Op::kLayerNorm, {x}, attrs, {plain.cast(dtype)}, tolerance);
    }
  }
}

TEST(LayerNorm, LargeMeansKeepTheVariance) {
  const Tensor x = floats({1, 4}, {10000, 10001, 10002, 10003});
  const double d = std::sqrt(1.25 + kEpsilon);
  check(Op::kLayerNorm, {x}, {{"axes", int64_t{1}}, {"epsilon", kEpsilon}},
        {floats({1, 4}, {-1.5 / d, -0.5 / d, 0.5 / d, 1.5 / d})}, 1e-5);
}

TEST(RmsNorm, OneAndTwoAxes) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    const Tensor x = random_tensor(dtype, {2, 3, 4}, 1);
    for (int64_t axes : {1, 2}) {
      const std::vector<int64_t> shape(x.shape().end() - axes, x.shape().end());
      const int64_t count = axes == 1 ? 4 : 12;
      const Tensor scale = random_tensor(dtype, shape, 2);
      const Tensor plain = standardise(x.cast(DType::kFloat64), count, false);
      const Tensor expected = testing::generate(
          dtype, x.shape(), [&](int64_t i) { return plain.number(i) * scale.number(i % count); });
      const ir::Attrs attrs = {{"axes", axes}, {"epsilon", kEpsilon}};
      check(Op::kRmsNorm, {x, scale}, attrs, {expected}, tolerance);
      check(Op::kRmsNorm, {x}, attrs, {plain.cast(dtype)}, tolerance);
    }
  }
}

TEST(GroupNorm, GroupsAndInstances) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    const Tensor x = random_tensor(dtype, {2, 6, 3, 2}, 1);
    const Tensor scale = random_tensor(dtype, {6}, 2), bias = random_tensor(dtype, {6}, 3);
    for (int64_t groups : {1, 2, 6}) {
      const Tensor plain = standardise(x.cast(DType::kFloat64), 36 / groups, true);
      const Tensor expected = testing::generate(dtype, x.shape(), [&](int64_t i) {
        return plain.number(i) * scale.number(i / 6 % 6) + bias.number(i / 6 % 6);
      });
      const ir::Attrs attrs = {{"groups", groups}, {"epsilon", kEpsilon}};
      check(Op::kGroupNorm, {x, scale, bias}, attrs, {expected}, tolerance);
      check(Op::kGroupNorm, {x}, attrs, {plain.cast(dtype)}, tolerance);
    }
  }
}

TEST(BatchNorm, PerChannel) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    const Tensor scale = random_tensor(dtype, {3}, 2), bias = random_tensor(dtype, {3}, 3);
    const Tensor mean = random_tensor(dtype, {3}, 4);
    const Tensor variance = testing::tensor(dtype, {3}, {0.5, 1, 4});
    for (const auto& shape : {std::vector<int64_t>{2, 3}, {2, 3, 4, 5}, {1, 3, 70}}) {
      const Tensor x = random_tensor(dtype, shape, 1);
      const int64_t inner = x.count() / (shape[0] * shape[1]);
      const Tensor expected = testing::generate(dtype, shape, [&](int64_t i) {
        const int64_t c = i / inner % 3;
        return (x.number(i) - mean.number(c)) / std::sqrt(variance.number(c) + kEpsilon) *
                   scale.number(c) +
               bias.number(c);
      });
      check(Op::kBatchNorm, {x, scale, bias, mean, variance}, {{"epsilon", kEpsilon}}, {expected},
            tolerance);
    }
  }
}

TEST(Normalization, SaysWhatIsWrong) {
  const Tensor x(DType::kFloat32, {2, 6, 4}), four(DType::kFloat32, {4}), six(DType::kFloat32, {6});
  const ir::Attrs last = {{"axes", int64_t{1}}, {"epsilon", kEpsilon}};
  EXPECT_EQ(testing::error_of(Op::kLayerNorm, {x, six}, last),
            "scale, bias and statistics must be f32 [4], not f32[6]");
  EXPECT_EQ(testing::error_of(Op::kRmsNorm, {Tensor(DType::kInt32, {2})}, last),
            "normalisation takes floats, not i32");
  EXPECT_EQ(
      testing::error_of(Op::kLayerNorm, {four}, {{"axes", int64_t{2}}, {"epsilon", kEpsilon}}),
      "2 normalised axes of [4]");
  EXPECT_EQ(testing::error_of(Op::kGroupNorm, {x}, {{"groups", int64_t{4}}, {"epsilon", kEpsilon}}),
            "6 channels do not split into 4 groups");
  EXPECT_EQ(
      testing::error_of(Op::kBatchNorm, {four, four, four, four, four}, {{"epsilon", kEpsilon}}),
      "[4] has no channel axis");
}

}  // namespace
}  // namespace tenon
