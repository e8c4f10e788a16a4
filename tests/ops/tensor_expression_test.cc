#include "ops/tensor_expression.h"

#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;

constexpr Op kOp = Op::kTensorExpression;

ir::Attrs attrs(std::string definition, std::vector<double> numbers = {}) {
  return {{"definition", std::move(definition)}, {"numbers", std::move(numbers)}};
}

/// What `mine::f` with this definition is told when it is read.
std::string told(const std::string& definition) {
  const auto read = ops::parse_custom_operators("m::f" + definition);
  return read ? "" : read.error().diagnostics.front().message.substr(17);
}

TEST(TensorExpression, ReadsAtArithmetic) {
  const Tensor x = random_tensor(DType::kFloat32, {5, 7});
  check(kOp, {x},
        attrs("(x: f32[n, c]; size) -> f32[n, floor_div(c, $size)][i, j] ="
              " sum(k < $size) x[i, j * $size + k] / $size",
              {2}),
        {generate(DType::kFloat32, {5, 3}, [&](int64_t i) {
          const int64_t at = i / 3 * 7 + i % 3 * 2;
          return (x.number(at) + x.number(at + 1)) / 2;
        })});
  check(kOp, {x}, attrs("(x: f32[n, c]) -> f32[c, n][i, j] = x[n - 1 - j, (i + 3) % c]"),
        {generate(DType::kFloat32, {7, 5},
                  [&](int64_t i) { return x.number((4 - i % 5) * 7 + (i / 5 + 3) % 7); })});
  check(kOp, {x},
        attrs("(x: f32[n, c]) -> f32[n, c][i, j] = x[max(i - 1, 0), min(j + 1, c - 1)] + x[i, j]"),
        {generate(DType::kFloat32, {5, 7}, [&](int64_t i) {
          const int64_t row = std::max<int64_t>(i / 7 - 1, 0);
          return x.number(row * 7 + std::min<int64_t>(i % 7 + 1, 6)) + x.number(i);
        })});
}

TEST(TensorExpression, Distance) {
  const Tensor a = random_tensor(DType::kFloat32, {6, 37}, 1),
               b = random_tensor(DType::kFloat32, {9, 37}, 2);
  check(kOp, {a, b},
        attrs("(a: f32[n, d], b: f32[m, d]) -> f32[n, m][i, j] ="
              " sqrt(sum(k < d) (a[i, k] - b[j, k]) * (a[i, k] - b[j, k]))"),
        {generate(DType::kFloat32, {6, 9},
                  [&](int64_t i) {
                    double sum = 0;
                    for (int64_t k = 0; k < 37; ++k) {
                      const double d = a.number(i / 9 * 37 + k) - b.number(i % 9 * 37 + k);
                      sum += d * d;
                    }
                    return std::sqrt(sum);
                  })},
        1e-6);
}

TEST(TensorExpression, Convolution) {
  const Tensor x = random_tensor(DType::kFloat32, {2, 3, 8, 9}, 1),
               w = random_tensor(DType::kFloat32, {4, 3, 3, 3}, 2);
  check(kOp, {x, w},
        attrs("(x: f32[n, c, h, w], f: f32[o, c, r, s]) -> f32[n, o, h - r + 1, floor_div(w - s, "
              "2) + 1][b, m, i, j] ="
              " sum(l < c, p < r, q < s) x[b, l, i + p, 2 * j + q] * f[m, l, p, q]"),
        {generate(DType::kFloat32, {2, 4, 6, 4}, [&](int64_t at) {
          const int64_t j = at % 4, i = at / 4 % 6, m = at / 24 % 4, b = at / 96;
          double sum = 0;
          for (int64_t t = 0; t < 27; ++t) {
            const int64_t l = t / 9, p = t / 3 % 3, q = t % 3;
            sum += x.number(((b * 3 + l) * 8 + i + p) * 9 + 2 * j + q) * w.number(m * 27 + t);
          }
          return sum;
        })});
}

TEST(TensorExpression, ReductionsOfAllKindsNestAndStandInExpressions) {
  const Tensor x = random_tensor(DType::kFloat32, {4, 20}, 3);
  const auto row = [&](int64_t i, auto combine, double first) {
    for (int64_t k = 0; k < 20; ++k) first = combine(first, x.number(i * 20 + k));
    return first;
  };
  const auto most = [](double a, double b) { return std::max(a, b); };
  const auto least = [](double a, double b) { return std::min(a, b); };
  check(kOp, {x},
        attrs("(x: f32[n, c]) -> f32[n][i] ="
              " max(k < c) x[i, k] - min(k < c) x[i, k] + max(sum(k < c) 0 * x[i, k], 1)"),
        {generate(DType::kFloat32, {4},
                  [&](int64_t i) { return row(i, most, -100) - row(i, least, 100) + 1; })});
  // Of each row the sum of running products of its first three elements.
  check(kOp, {x}, attrs("(x: f32[n, c]) -> f32[n][i] = sum(k < 3) prod(l < k + 1) x[i, l]"),
        {generate(DType::kFloat32, {4}, [&](int64_t i) {
          const double a = x.number(i * 20), b = x.number(i * 20 + 1), c = x.number(i * 20 + 2);
          return a + a * b + a * b * c;
        })});
  // The reduction ends before `+`, and goes beyond `*`.
  check(kOp, {floats({3}, {1, 2, 3})},
        attrs("(x: f32[n]) -> f32[][] = sum(k < n) 2 * x[k] * 2 + 1"), {floats({}, {25})});
  check(kOp, {floats({0}, {})},
        attrs("(x: f32[n]) -> f32[4][i] = select(i == 0, sum(k < n) x[k], select(i == 1,"
              " prod(k < n) x[k], select(i == 2, min(k < n) x[k], max(k < n) x[k])))"),
        {floats({4}, {0, 1, INFINITY, -INFINITY})});
  check(kOp, {floats({2}, {1, 2})},
        attrs("(x: f32[n]) -> f32[n][i] = x[i] + sum(k < -9223372036854775808) x[k]"),
        {floats({2}, {1, 2})});
}

TEST(TensorExpression, IntegersAndBoolsKeepTheirTypes) {
  const Tensor x = tensor(DType::kUInt8, {2, 3}, {200, 100, 7, 1, 2, 3});
  check(kOp, {x}, attrs("(x: u8[n, c]) -> u8[n][i] = sum(k < c) x[i, k]"),
        {tensor(DType::kUInt8, {2}, {51, 6})});
  check(kOp, {x}, attrs("(x: u8[n, c]) -> u8[n][i] = max(k < c) x[i, k]"),
        {tensor(DType::kUInt8, {2}, {200, 3})});
  check(kOp, {x}, attrs("(x: u8[n, c]) -> bool[n][i] = max(k < c) (x[i, k] == 7)"),
        {tensor(DType::kBool, {2}, {1, 0})});
  check(kOp, {x}, attrs("(x: u8[n, c]) -> bool[n][i] = min(k < c) (x[i, k] < 7)"),
        {tensor(DType::kBool, {2}, {0, 1})});
  check(kOp, {x}, attrs("(x: u8[n, c]) -> i64[n, c][i, j] = cast(x[i, j], i64) * n - j"),
        {integers({2, 3}, {400, 199, 12, 2, 3, 4})});
}

TEST(TensorExpression, HalvesAreSummedInFloat32) {
  // 2048 + 1 is 2048 in f16, 256 + 1 is 256 in bf16.
  check(kOp, {tensor(DType::kFloat16, {4}, {2048, 1, 1, 2})},
        attrs("(x: f16[n]) -> f16[][] = sum(k < n) x[k]"), {tensor(DType::kFloat16, {}, {2052})});
  check(kOp, {tensor(DType::kBFloat16, {3}, {256, 1, 1})},
        attrs("(x: bf16[n]) -> bf16[1][i] = sum(k < n) x[k]"),
        {tensor(DType::kBFloat16, {1}, {258})});
}

TEST(TensorExpression, ASelectReadsItsBranchOnly) {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check(kOp, {x},
        attrs("(x: f32[n, c]) -> f32[n, c + 2][i, j] = select(j > 0 & j <= c, x[i, j - 1], -1)"),
        {floats({2, 5}, {-1, 1, 2, 3, -1, -1, 4, 5, 6, -1})});
  check(kOp, {x},
        attrs("(x: f32[n, c]) -> f32[n, c][i, j] ="
              " sum(k < 3) select(j + k < 1, 0, select(j + k > c, 0, x[i, j + k - 1]))"),
        {floats({2, 3}, {3, 6, 5, 9, 15, 11})});
  // Nor does the branch of a reduction, or an index of a read that is not made.
  check(kOp, {x, integers({2}, {1, 77})},
        attrs("(x: f32[n, c], at: i64[m]) -> f32[2][i] ="
              " select(i == 0, x[at[i], 0], sum(k < 2) select(false, x[at[i + k], 9], 1))"),
        {floats({2}, {4, 2})});
  check(kOp, {floats({0}, {})}, attrs("(x: f32[n]) -> f32[2][i] = select(i < n, x[i], 5)"),
        {floats({2}, {5, 5})});
}

TEST(TensorExpression, ElementsOfIntegersAreIndices) {
  const Tensor table = counting(DType::kFloat32, {5, 11});
  for (const DType dtype : {DType::kInt64, DType::kInt32, DType::kUInt8}) {
    check(kOp, {table, tensor(dtype, {3}, {4, 0, 2})},
          attrs(fmt::format("(x: f32[n, c], at: {}[m]) -> f32[m, c][i, j] = x[at[i], j] * 2",
                            ir::to_string(dtype))),
          {generate(DType::kFloat32, {3, 11}, [](int64_t i) {
            const int64_t rows[] = {4, 0, 2};
            return 2.0 * static_cast<double>(rows[i / 11] * 11 + i % 11);
          })});
  }
  // Ragged rows: as many elements as the data says.
  check(kOp, {table, integers({5}, {0, 1, 2, 11, 3})},
        attrs("(x: f32[n, c], length: i64[n]) -> f32[n][i] = sum(k < length[i]) x[i, k]"),
        {floats({5}, {0, 11, 45, 418, 135})});
}

TEST(TensorExpression, AReadOutsideIsAnError) {
  const Tensor x = counting(DType::kFloat32, {3, 4}), out = floats({3, 4}, std::vector<double>(12));
  const auto expect = [&](const std::string& text, const std::string& why) {
    const ir::Attrs a = attrs("(x: f32[n, c]) -> f32[n, c][i, j] = " + text);
    EXPECT_EQ(error_of(kOp, {x}, a), why);
    EXPECT_EQ(status_of(kOp, {x}, a, out), why.empty() ? 0 : 1) << text;
  };
  expect("x[i, j + 1]", "index 4 of 'x' is out of range for axis 1 of 4");
  expect("x[i - 1, j]", "index -1 of 'x' is out of range for axis 0 of 3");
  expect("sum(k < 4) x[k, j]", "index 3 of 'x' is out of range for axis 0 of 3");
  expect("select(i < 2, x[i + 1, j], x[i + 1, j])",
         "index 3 of 'x' is out of range for axis 0 of 3");
  expect("select(i < 2, x[i + 1, j], 0)", "");
  expect("x[floor_div(i * 4611686018427387904, 4611686018427387904), j]",
         "index -2 of 'x' is out of range for axis 0 of 3");
  // A row as long as data says ends at its first element outside.
  const ir::Attrs ragged =
      attrs("(x: f32[n, c], length: i64[n]) -> f32[n][i] = sum(k < length[i]) x[i, k]");
  const Tensor lengths = integers({3}, {0, 4611686018427387904, 1});
  EXPECT_EQ(error_of(kOp, {x, lengths}, ragged), "index 4 of 'x' is out of range for axis 1 of 4");
  EXPECT_EQ(status_of(kOp, {x, lengths}, ragged, floats({3}, {0, 0, 0})), 1);
}

/// How many checks the loops have with sizes that are known, and with sizes that are not.
std::pair<int, int> checks(const std::string& definition, std::vector<int64_t> shape) {
  const auto count = [&](bool known) {
    const auto custom = ops::parse_definition(definition);
    ir::Dims dims;
    ir::TensorType type{DType::kFloat32, {}};
    for (int64_t size : shape) {
      type.dims.push_back(known ? ir::Dim(size) : dims.symbol(fmt::format("s{}", size)));
    }
    const auto read =
        ops::read_tensor_expression(*custom, custom->outputs.front(), {}, std::array{type});
    EXPECT_TRUE(read) << read.error();
    int checks = 0;
    for (const auto& leaf : (*read)->leaves) {
      if (const auto* one = std::get_if<ops::TensorExpression::Read>(&leaf)) {
        checks += static_cast<int>(std::ranges::count(one->inside, false));
      }
    }
    return checks;
  };
  return {count(true), count(false)};
}

TEST(TensorExpression, WhatIsKnownToBeInsideIsNotChecked) {
  const auto expect = [](const std::string& definition, int known, int open) {
    EXPECT_EQ(checks(definition, {9, 5}), std::pair(known, open)) << definition;
  };
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[i, j]", 0, 0);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[n - 1 - i, c - 1 - j]", 0, 0);
  expect("(x: f32[n, c]) -> f32[n - 2, c][i, j] = sum(k < 3) x[i + k, j]", 0, 0);
  expect("(x: f32[n, c]) -> f32[floor_div(n - 3, 2) + 1, c][i, j] = sum(k < 3) x[2 * i + k, j]", 0,
         0);
  expect("(x: f32[n, c]) -> f32[n, floor_div(c, 2)][i, j] = x[i, j * 2 + 1]", 0, 0);
  expect("(x: f32[n, c]) -> f32[n * c][i] = x[0, i % 4]", 0, 2);
  expect("(x: f32[n, c]) -> f32[2 * n, c][i, j] = x[floor_div(i, 2), j]", 0, 0);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = sum(k < i + 1) x[k, j]", 0, 0);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[min(i + 1, n - 1), j]", 0, 1);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[i + 1, j]", 1, 1);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[j, i]", 1, 2);
  expect("(x: f32[n, c]) -> f32[n, c][i, j] = x[i * i, j]", 1, 1);
}

TEST(TensorExpression, WhatIsWrongIsSaidWithItsPlace) {
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[i]"), "");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[j]"), "line 1, column 30: no such name at 'j'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = y[i]"), "line 1, column 28: no such name at 'y'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[i, i]"),
            "line 1, column 28: 2 indices for 1 axes at 'x'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[i"), "line 1, column 31: expected ']' at the end");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[x[i]]"),
            "line 1, column 30: f32 where an integer is needed at 'x'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = i"),
            "line 1, column 28: i64 where f32 is needed at 'i'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[i] * n"),
            "line 1, column 35: i64 beside f32 at 'n'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = sum(i < n) x[i]"),
            "line 1, column 32: the name is in use at 'i'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = sum(k) x[k]"),
            "line 1, column 33: expected '<' at ')'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = sum(k < n) x[k] + x[k]"),
            "line 1, column 48: no such name at 'k'");
  EXPECT_EQ(told("(x: bool[n]) -> bool[][] = sum(k < n) x[k]"),
            "line 1, column 28: a sum of bool at 'sum'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = reduce_add(broadcast(x[i], 4))"),
            "line 1, column 28: an expression with vectors at 'reduce_add'");
  EXPECT_EQ(told("(x: f32[n]; k = 0.5) -> f32[n][i] = x[i * $k]"),
            "line 1, column 43: a number that i64 does not hold at '$k'");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i, j] = x[i]"),
            "f32[n][i, j]: 2 indices of a result of 1 axes");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][n] = x[n]"), "'n' is an index and something else, too");
  EXPECT_EQ(told("(x: f32[x]) -> f32[x][i] = x[i]"), "'x' is a size and an operand");
  EXPECT_EQ(told("(x: f32[n]) -> f32[m][i] = x[i]"), "no operand before shows the size 'm'");
  EXPECT_EQ(told("(x) -> f32[n][i] = x[i]"), "line 1, column 8: operand 'x' has no type");
  EXPECT_EQ(told("(x: f32[n]) -> f32[n][i] = x[i]" + std::string(5000, '+')),
            "line 1, column 28: an expression of more than 4096 words at 'x'");
}

TEST(TensorExpression, ANodeThatDoesNotFitIsTold) {
  const Tensor x = floats({2}, {1, 2});
  EXPECT_EQ(error_of(kOp, {x}, attrs("(x: f64[n]) -> f64[n][i] = x[i]")),
            "operand 'x' must be f64[n], not f32[2]");
  EXPECT_EQ(error_of(kOp, {x}, attrs("(x: f32[n, 2]) -> f32[n][i] = x[i, 0]")),
            "operand 'x' must be f32[n, 2], not f32[2]");
  EXPECT_EQ(error_of(kOp, {x}, attrs("(x: f32[n]; k) -> f32[n][i] = x[i * $k]", {0.5})),
            "'(x: f32[n]; k) -> f32[n][i] = x[i * $k]': line 1, column 37: a number that i64 does "
            "not hold at '$k'");
  EXPECT_EQ(error_of(kOp, {x}, attrs("(x) = x")),
            "'(x) = x' is no tensor expression of one result");
  EXPECT_EQ(error_of(kOp, {x}, attrs("(x: f32[n]) -> f32[n][i] = x[i], f32[n][i] = x[i]")),
            "'(x: f32[n]) -> f32[n][i] = x[i], f32[n][i] = x[i]' is no tensor expression of one "
            "result");
  EXPECT_NE(error_of(kOp, {x}, attrs("(x: f32[n]) -> f32[n * 9223372036854775807][i] = x[0]")), "");
}

}  // namespace
}  // namespace tenon::testing
