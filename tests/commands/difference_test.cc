#include "commands/difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "commands/npy.h"

namespace tenon::commands {
namespace {

using ir::DType;
using ops::Tensor;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Difference compare_floats(std::initializer_list<float> actual,
                          std::initializer_list<float> reference) {
  const std::vector<int64_t> shape = {static_cast<int64_t>(actual.size())};
  return compare(Tensor::of(DType::kFloat32, shape, actual),
                 Tensor::of(DType::kFloat32, shape, reference));
}

TEST(Difference, SmallElementsAreMeasuredAgainstTheOthers) {
  // Root mean square of the references: 4.
  const Difference difference = compare_floats({0.5F, 5.6568542F}, {0, 5.6568542F});
  EXPECT_EQ(difference.max_absolute, 0.5);
  EXPECT_EQ(difference.max_relative, 0);
  EXPECT_NEAR(difference.needed_tolerance, 0.125, 1e-6);
  EXPECT_EQ(difference.worst, 0);
}

TEST(Difference, SpecialValuesEqualThemselvesOnly) {
  EXPECT_EQ(compare_floats({kNan, kInfinity, -0.0F}, {kNan, kInfinity, 0.0F}).needed_tolerance, 0);
  EXPECT_EQ(compare_floats({1, kNan}, {1, 1}).needed_tolerance, kInfinity);
  EXPECT_EQ(compare_floats({1, 1}, {1, kNan}).needed_tolerance, kInfinity);
  EXPECT_EQ(compare_floats({1, kInfinity}, {1, -kInfinity}).needed_tolerance, kInfinity);
  EXPECT_EQ(compare_floats({1, 1}, {0, 0}).needed_tolerance, kInfinity);
}

TEST(Difference, LargeIntegersAreComparedAsIntegers) {
  const int64_t large = int64_t{1} << 60;
  const Difference difference = compare(Tensor::of(DType::kInt64, {2}, {large + 1, large}),
                                        Tensor::of(DType::kInt64, {2}, {large, large}));
  EXPECT_EQ(difference.max_absolute, 1);
  EXPECT_EQ(difference.worst, 0);
  EXPECT_GT(difference.needed_tolerance, default_tolerance(DType::kInt64));
}

TEST(Npy, EveryDtypeAndRankComesBack) {
  const DType all[] = {
#define DTYPE(name, text, bytes, kind) DType::name,
#include "ir/dtype.def"
#undef DTYPE
  };
  for (DType dtype : all) {
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{}, {3}, {2, 0, 4}, {1, 2, 1, 2, 1, 2, 1, 2}}) {
      Tensor tensor(dtype, shape);
      for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_number(i, i % 2);
      const std::string header = npy_header(tensor);
      EXPECT_EQ(header.size() % 64, 0u);
      std::vector<std::byte> bytes(header.size() + tensor.byte_count());
      std::memcpy(bytes.data(), header.data(), header.size());
      if (tensor.count()) std::memcpy(&bytes[header.size()], tensor.bytes(), tensor.byte_count());
      const Result<Tensor> read = parse_npy(bytes);
      ASSERT_TRUE(read) << read.error().text();
      EXPECT_EQ(read->dtype(), dtype);
      EXPECT_EQ(read->shape(), shape);
      EXPECT_EQ(compare(*read, tensor).max_absolute, 0);
      for (size_t cut = 0; cut < bytes.size(); ++cut)
        EXPECT_FALSE(parse_npy(std::span(bytes).first(cut)));
    }
  }
}

}  // namespace
}  // namespace tenon::commands
