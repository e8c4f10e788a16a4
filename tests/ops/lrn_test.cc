#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;

ir::Attrs attrs(int64_t size) {
  return {{"size", size}, {"alpha", 0.5}, {"beta", 0.75}, {"bias", 2.0}};
}

TEST(Lrn, NeighboursOfEvenAndOddSizes) {
  for (const auto& [dtype, tolerance] :
       {std::pair{DType::kFloat32, 1e-5}, {DType::kFloat64, 1e-12}, {DType::kFloat16, 1e-2}}) {
    for (int64_t size : {1, 2, 3, 4, 11}) {
      const Tensor x = testing::random_tensor(dtype, {2, 5, 2, 3}, 1);
      const Tensor expected = testing::generate(dtype, x.shape(), [&](int64_t i) {
        const int64_t channel = i / 6 % 5;
        double squares = 0;
        for (int64_t c = channel - (size - 1) / 2; c <= channel + size / 2; ++c) {
          if (c >= 0 && c < 5) squares += std::pow(x.number(i + (c - channel) * 6), 2);
        }
        return x.number(i) / std::pow(2.0 + 0.5 / static_cast<double>(size) * squares, 0.75);
      });
      testing::check(Op::kLrn, {x}, attrs(size), {expected}, tolerance);
    }
  }
}

TEST(Lrn, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kLrn, {Tensor(DType::kFloat32, {4})}, attrs(3)),
            "[4] has no channel axis");
  EXPECT_EQ(testing::error_of(Op::kLrn, {Tensor(DType::kFloat32, {1, 4})}, attrs(0)),
            "size 0 is not positive");
}

}  // namespace
}  // namespace tenon
