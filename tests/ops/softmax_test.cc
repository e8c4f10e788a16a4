#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;

ir::Attrs attrs(int64_t axis, bool log) { return {{"axis", axis}, {"log", log}}; }

Tensor softmax(const Tensor& x, int64_t axis, bool log) {
  int64_t stride = 1;
  for (int64_t i = x.rank() - 1; i > axis; --i) stride *= x.shape()[i];
  const int64_t size = x.shape()[axis];
  return testing::generate(x.dtype(), x.shape(), [&](int64_t i) {
    double sum = 0;
    const int64_t first = i - i / stride % size * stride;
    for (int64_t j = 0; j < size; ++j) sum += std::exp(x.number(first + j * stride));
    return log ? x.number(i) - std::log(sum) : std::exp(x.number(i)) / sum;
  });
}

TEST(Softmax, EveryAxis) {
  const std::pair<DType, double> dtypes[] = {{DType::kFloat32, 1e-6},
                                             {DType::kFloat64, 1e-12},
                                             {DType::kFloat16, 1e-2},
                                             {DType::kBFloat16, 5e-2}};
  for (const auto& [dtype, tolerance] : dtypes) {
    for (const auto& shape : {std::vector<int64_t>{3, 4, 5}, {2, 1, 6}, {1, 7, 1}}) {
      const Tensor x = testing::random_tensor(dtype, shape, 1);
      for (int64_t axis : {0, 1, 2}) {
        for (bool log : {false, true}) {
          check(Op::kSoftmax, {x}, attrs(axis, log), {softmax(x, axis, log)}, tolerance);
        }
      }
    }
  }
}

TEST(Softmax, LargeNumbersDoNotOverflow) {
  check(Op::kSoftmax, {floats({3}, {1000, 1000, -INFINITY})}, attrs(0, false),
        {floats({3}, {0.5, 0.5, 0})});
  check(Op::kSoftmax, {floats({2}, {-1000, -1001})}, attrs(0, true),
        {floats({2}, {-0.3132616875, -1.3132616875})}, 1e-4);
}

TEST(Softmax, SaysWhatIsWrong) {
  EXPECT_EQ(testing::error_of(Op::kSoftmax, {Tensor(DType::kInt32, {2})}, attrs(0, false)),
            "softmax takes floats, not i32");
  EXPECT_EQ(testing::error_of(Op::kSoftmax, {floats({1}, {0})}, attrs(1, false)),
            "axis 1 is not in [0, 1)");
}

}  // namespace
}  // namespace tenon
