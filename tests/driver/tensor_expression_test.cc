// Tensor expressions as native code: with epilogues, in layouts that their neighbours ask for, and
// with sizes that are not known.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "testing/models.h"

namespace tenon::testing {
namespace {

using ir::Op;
using ir::ValueId;

struct Case {
  std::string definition;
  std::vector<double> numbers = {};
};

class Expressions : public ModelBuilder {
 public:
  ValueId apply(const Case& what, std::vector<ValueId> operands) {
    return add(Op::kTensorExpression, std::move(operands),
               {{"definition", what.definition}, {"numbers", what.numbers}});
  }
};

const Case kDistance = {
    "(a: f32[n, d], b: f32[m, d]) -> f32[n, m][i, j] ="
    " sqrt(sum(k < d) (a[i, k] - b[j, k]) * (a[i, k] - b[j, k]))"};
const Case kProduct = {
    "(a: f32[n, d], b: f32[d, m]) -> f32[n, m][i, j] = sum(k < d) a[i, k] * b[k, j]"};

const Case kUnary[] = {
    {"(x: f32[n, c]; size) -> f32[n, floor_div(c, $size)][i, j] ="
     " sum(k < $size) x[i, j * $size + k] / $size",
     {3}},
    {"(x: f32[n, c]) -> f32[c, n][i, j] = x[n - 1 - j, c - 1 - i]"},
    {"(x: f32[n, c]) -> f32[n, c + 4][i, j] = select(j > 1 & j < c + 2, x[i, j - 2], -0.5)"},
    {"(x: f32[n, c]; reach) -> f32[n, c][i, j] = sum(p < 2 * $reach + 1, q < 2 * $reach + 1)"
     " select(i + p < $reach | i + p >= n + $reach | j + q < $reach | j + q >= c + $reach, 0,"
     " x[i + p - $reach, j + q - $reach])",
     {1}},
    {"(x: f32[n, c]) -> f32[n, c][i, j] = sum(k < j + 1) x[i, k]"},
    {"(x: f32[n, c]) -> f32[n, c][i, j] ="
     " exp(x[i, j] - max(k < c) x[i, k]) / sum(k < c) exp(x[i, k] - max(l < c) x[i, l])"},
    {"(x: f32[n, c]) -> f32[n][i] = sum(k < c) x[i, k]"},
    {"(x: f32[n, c]) -> f32[c][j] = prod(k < n) (1 + x[k, j] / 8)"},
    {"(x: f32[n, c]) -> f32[][] = min(i < n, j < c) x[i, j]"},
    {"(x: f32[n, c]) -> f32[n, c][i, j] = x[i, floor_mod(cast(x[i, j] * 100, i64), c)]"},
    {"(x: f32[n, c]) -> bool[n][i] = max(k < c) (x[i, k] > 2) | min(k < c) (x[i, k] < 1)"},
};

TEST(TensorExpressions, NativeEqualsReference) {
  for (const bool open : {false, true}) {
    for (const Case& one : kUnary) {
      SCOPED_TRACE(one.definition + (open ? " of open sizes" : ""));
      Expressions m;
      const auto dim = [&](int64_t size) {
        return open ? m.module.dims.symbol("s" + std::to_string(size)) : ir::Dim(size);
      };
      m.output(m.apply(one, {m.input("x", {dim(9), dim(37)})}));
      expect_native_equals_reference(m.module, {{9, 37}});
    }
  }
}

TEST(TensorExpressions, EpiloguesReadTheirOwnOperands) {
  for (const Case& one : {kDistance, kProduct}) {
    Expressions m;
    const bool is_product = one.definition == kProduct.definition;
    const ir::Dim n = m.module.dims.symbol("n");
    const ValueId a = m.input("a", {n, 70});
    const ValueId b =
        m.input("b", is_product ? std::vector<ir::Dim>{70, 33} : std::vector<ir::Dim>{33, 70});
    const ValueId y = m.apply(one, {a, b});
    const ValueId z = m.add(Op::kMul, {y, m.input("c", {33})});
    m.output(m.add(Op::kAdd, {m.add(Op::kExp, {m.add(Op::kNeg, {y})}), z}));
    expect_native_equals_reference(
        m.module,
        {{17, 70}, is_product ? std::vector<int64_t>{70, 33} : std::vector<int64_t>{33, 70}, {33}});
  }
}

TEST(TensorExpressions, OperandsLieAsNeighboursWantThem) {
  Expressions m;
  const ValueId x = m.input("x", {2, 8, 12, 12});
  const auto conv = [&](ValueId in) {
    return m.add(Op::kConv, {in, m.parameter({16, 8, 3, 3}, 0.1)},
                 {{"strides", std::vector<int64_t>{1, 1}},
                  {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                  {"dilations", std::vector<int64_t>{1, 1}},
                  {"groups", int64_t{1}}});
  };
  const ValueId y = m.apply({"(x: f32[n, c, h, w]) -> f32[n, floor_div(c, 2), h, w][b, k, i, j] ="
                             " max(x[b, 2 * k, i, j], x[b, 2 * k + 1, h - 1 - i, j])"},
                            {conv(x)});
  m.output(m.add(Op::kNeg, {conv(y)}));
  expect_native_equals_reference(m.module, {{2, 8, 12, 12}}, 1e-4);
}

TEST(TensorExpressions, HalvesAndIntegers) {
  for (const ir::DType dtype : {ir::DType::kFloat16, ir::DType::kBFloat16, ir::DType::kFloat64,
                                ir::DType::kInt8, ir::DType::kInt32, ir::DType::kInt64}) {
    SCOPED_TRACE(std::string(ir::to_string(dtype)));
    Expressions m;
    const ValueId x = m.input("x", {11, 45}, dtype);
    const std::string of = fmt::format("{}[n, c]", ir::to_string(dtype));
    m.output(m.apply({fmt::format("(x: {0}) -> {0}[i, j] = select(j > 0, x[i, j - 1], 3) * 2 -"
                                  " max(k < n) x[k, j] + sum(k < c) x[i, k]",
                                  of)},
                     {x}));
    const double tolerance = ir::is_integer(dtype) ? 0 : ir::size_of(dtype) == 2 ? 1e-2 : 1e-6;
    expect_native_equals_reference(m.module, {{11, 45}}, tolerance);
  }
}

TEST(TensorExpressions, AGatherReadsItsRows) {
  Expressions m;
  const ValueId table = m.input("table", {40, 24});
  const ValueId at = m.input("at", {m.module.dims.symbol("m")}, ir::DType::kInt64);
  m.output(m.apply({"(x: f32[n, c], at: i64[m]) -> f32[m, c][i, j] ="
                    " select(at[i] < 0, 0, x[at[i], j]) + sum(k < max(at[i], 0)) x[k, j]"},
                   {table, at}));
  expect_native_equals_reference(m.module, {{40, 24}, {50}});
}

}  // namespace
}  // namespace tenon::testing
