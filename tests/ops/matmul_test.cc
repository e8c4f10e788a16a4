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

/// Element (b, i, j) of the product of a [B, M, K] and b [B or 1, K, N] in double.
Tensor product(const Tensor& a, const Tensor& b, std::vector<int64_t> shape) {
  const int64_t m = shape[shape.size() - 2], n = shape.back(), k = a.shape().back();
  const bool shared = b.rank() == 2 || b.shape()[0] == 1;
  return testing::generate(a.dtype(), shape, [&](int64_t i) {
    const int64_t batch = i / (m * n), row = i / n % m, column = i % n;
    double sum = 0;
    for (int64_t l = 0; l < k; ++l) {
      sum += a.number((batch * m + row) * k + l) *
             b.number(((shared ? 0 : batch) * k + l) * n + column);
    }
    return sum;
  });
}

TEST(MatMul, MultipliesByHand) {
  check(Op::kMatMul, {floats({2, 3}, {1, 2, 3, 4, 5, 6}), floats({3, 2}, {1, 0, 0, 1, 1, 1})}, {},
        {floats({2, 2}, {4, 5, 10, 11})});
}

TEST(MatMul, EveryDType) {
  for (DType dtype :
       {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8,
        DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kInt64}) {
    const Tensor a = random_tensor(dtype, {5, 7}, 1, 2), b = random_tensor(dtype, {7, 6}, 2, 2);
    check(Op::kMatMul, {a, b}, {}, {product(a, b, {5, 6})});
  }
}

TEST(MatMul, IntegersWrap) {
  const Tensor a = testing::tensor(DType::kInt8, {1, 1}, {100});
  check(Op::kMatMul, {a, testing::tensor(DType::kInt8, {1, 1}, {3})}, {},
        {testing::tensor(DType::kInt8, {1, 1}, {300 - 256})});
}

TEST(MatMul, BatchesBroadcast) {
  const Tensor a = random_tensor(DType::kFloat32, {3, 4, 5}, 1);
  const Tensor b = random_tensor(DType::kFloat32, {1, 5, 3}, 2);
  check(Op::kMatMul, {a, b}, {}, {product(a, b, {3, 4, 3})});
  const Tensor c = random_tensor(DType::kFloat32, {5, 1}, 3);
  check(Op::kMatMul, {a, c}, {}, {product(a, c, {3, 4, 1})});
  const Tensor d = random_tensor(DType::kFloat32, {2, 1, 2, 3}, 4);
  const Tensor e = random_tensor(DType::kFloat32, {2, 3, 2}, 5);
  const Tensor expected = testing::generate(DType::kFloat32, {2, 2, 2, 2}, [&](int64_t i) {
    double sum = 0;
    for (int64_t k = 0; k < 3; ++k) {
      sum += d.number((i / 8 * 2 + i / 2 % 2) * 3 + k) * e.number((i / 4 % 2 * 3 + k) * 2 + i % 2);
    }
    return sum;
  });
  check(Op::kMatMul, {d, e}, {}, {expected});
}

TEST(MatMul, LargerThanABlock) {
  const Tensor a = random_tensor(DType::kFloat32, {6, 9}, 1);
  const Tensor b = random_tensor(DType::kFloat32, {9, 1100}, 2);
  EXPECT_EQ(testing::numbers(testing::evaluate(Op::kMatMul, {a, b})),
            testing::numbers(product(a, b, {6, 1100})));
}

TEST(MatMul, NothingToSum) {
  check(Op::kMatMul, {Tensor(DType::kFloat32, {2, 0}), Tensor(DType::kFloat32, {0, 2})}, {},
        {floats({2, 2}, {0, 0, 0, 0})});
}

TEST(MatMul, PackedGivesTheSame) {
  for (int64_t columns : {1, 4, 5, 11}) {
    const Tensor a = random_tensor(DType::kFloat32, {2, 3, 6}, 1);
    const Tensor b = random_tensor(DType::kFloat32, {2, 6, columns}, 2);
    const Tensor packed = testing::evaluate(Op::kPackMatrix, {b}, {{"width", int64_t{4}}});
    EXPECT_EQ(packed.shape(), (std::vector<int64_t>{2, (columns + 3) / 4, 6, 4}));
    check(Op::kMatMul, {a, packed}, {{"packed", int64_t{4}}, {"columns", columns}},
          {product(a, b, {2, 3, columns})});
  }
}

TEST(MatMul, PacksByHand) {
  check(Op::kPackMatrix, {floats({2, 3}, {1, 2, 3, 4, 5, 6})}, {{"width", int64_t{2}}},
        {floats({2, 2, 2}, {1, 2, 4, 5, 3, 0, 6, 0})});
  check(Op::kPackMatrix, {floats({3, 2}, {1, 4, 2, 5, 3, 6})},
        {{"width", int64_t{2}}, {"transposed", true}},
        {floats({2, 2, 2}, {1, 2, 4, 5, 3, 0, 6, 0})});
}

TEST(MatMul, PacksATransposeAsTheTransposed) {
  for (int64_t columns : {1, 4, 21, 40}) {
    const Tensor b = random_tensor(DType::kFloat32, {2, columns, 19}, 3);
    const Tensor transposed =
        testing::evaluate(Op::kTranspose, {b}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
    check(Op::kPackMatrix, {b}, {{"width", int64_t{4}}, {"transposed", true}},
          {testing::evaluate(Op::kPackMatrix, {transposed}, {{"width", int64_t{4}}})});
  }
}

TEST(MatMul, SymbolicDims) {
  ir::Dims dims;
  const ir::Dim n = dims.symbol("n"), s = dims.symbol("s");
  const ir::TensorType a{DType::kFloat32, {n, s, 8}}, b{DType::kFloat32, {8, 3}};
  const ops::Inferred result = testing::infer(Op::kMatMul, {&a, &b}, {}, dims);
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->front(), (ir::TensorType{DType::kFloat32, {n, s, 3}}));
  const ir::TensorType c{DType::kFloat32, {4, s}}, d{DType::kFloat32, {dims.min(s, 512), 2}};
  ASSERT_TRUE(testing::infer(Op::kMatMul, {&c, &d}, {}, dims));
  EXPECT_EQ(dims.limits().at("s"), 512);
}

TEST(MatMul, SaysWhatIsWrong) {
  const auto error = [](std::vector<int64_t> a, std::vector<int64_t> b) {
    return testing::error_of(Op::kMatMul, {Tensor(DType::kFloat32, a), Tensor(DType::kFloat32, b)});
  };
  EXPECT_EQ(error({1, 2304}, {1936, 10}),
            "inner dims 2304 and 1936 differ: [1, 2304] x [1936, 10]");
  EXPECT_EQ(error({4}, {4, 2}), "matrices have at least 2 axes: [4] x [4, 2]");
  EXPECT_EQ(error({2, 1, 4}, {3, 4, 2}), "shapes [2] and [3] do not broadcast: 2 against 3");
  EXPECT_EQ(testing::error_of(Op::kMatMul,
                              {Tensor(DType::kFloat32, {1, 1}), Tensor(DType::kFloat64, {1, 1})}),
            "dtypes f32 and f64 differ");
  EXPECT_EQ(testing::error_of(Op::kMatMul,
                              {Tensor(DType::kFloat32, {1, 6}), Tensor(DType::kFloat32, {2, 6, 4})},
                              {{"packed", int64_t{4}}, {"columns", int64_t{12}}}),
            "[2, 6, 4] does not hold 12 columns in panels of 4");
}

}  // namespace
}  // namespace tenon
