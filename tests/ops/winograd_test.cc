// Winograd's algorithm against the definition of the convolution, and its error.
#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::evaluate;
using testing::random_tensor;

using Ints = std::vector<int64_t>;

struct Case {
  Ints x, w, pads;
  bool bias = false;
};

Tensor direct(const Case& c, std::vector<Tensor> operands) {
  return evaluate(Op::kConv, operands,
                  {{"strides", Ints{1, 1}},
                   {"pads", c.pads},
                   {"dilations", Ints{1, 1}},
                   {"groups", int64_t{1}}});
}

std::vector<Tensor> by_winograd(std::vector<Tensor> operands, int64_t tile, int64_t width) {
  operands[1] = evaluate(Op::kWinogradFilter, {operands[1]}, {{"tile", tile}, {"width", width}});
  return operands;
}

ir::Attrs attrs_of(const Case& c, int64_t tile) {
  return {{"pads", c.pads}, {"tile", tile}, {"channels", c.w[0]}};
}

const Case kCases[] = {
    {{1, 1, 3, 3}, {1, 1, 3, 3}, {0, 0, 0, 0}},
    {{2, 3, 6, 7}, {5, 3, 3, 3}, {1, 1, 1, 1}, true},
    {{1, 2, 4, 9}, {4, 2, 3, 3}, {0, 1, 2, 0}, true},
    {{1, 5, 1, 2}, {3, 5, 3, 3}, {2, 2, 2, 2}},
};

TEST(Winograd, IsTheConvolution) {
  for (const Case& c : kCases) {
    std::vector<Tensor> operands = {random_tensor(DType::kFloat32, c.x, 1),
                                    random_tensor(DType::kFloat32, c.w, 2)};
    if (c.bias) operands.push_back(random_tensor(DType::kFloat32, {c.w[0]}, 3));
    const Tensor expected = direct(c, operands);
    for (int64_t tile : {2, 4})
      check(Op::kWinogradConv, by_winograd(operands, tile, 4), attrs_of(c, tile), {expected}, 1e-4);
  }
}

TEST(Winograd, TransformsFiltersIntoPanels) {
  const Tensor w = random_tensor(DType::kFloat32, {3, 2, 3, 3}, 1);
  const ir::Attrs attrs = {{"tile", int64_t{4}}, {"width", int64_t{2}}};
  const Tensor u = evaluate(Op::kWinogradFilter, {w}, attrs);
  EXPECT_EQ(u.shape(), (Ints{2, 36, 2, 2}));
  check(Op::kWinogradFilter, {w}, attrs, {u});
  for (int64_t c = 0; c < 2; ++c) {
    // The value at point 0 scales the first tap, that at infinity is the last tap.
    EXPECT_FLOAT_EQ(u.number((36 + 0) * 4 + c * 2), w.number((2 * 2 + c) * 9) * 4096 / 6561);
    EXPECT_EQ(u.number((36 + 35) * 4 + c * 2), w.number((2 * 2 + c) * 9 + 8));
    EXPECT_EQ(u.number((36 + 35) * 4 + c * 2 + 1), 0);
  }
}

TEST(Winograd, OtherFloats) {
  const Case c{{1, 2, 5, 5}, {3, 2, 3, 3}, {1, 1, 1, 1}};
  for (DType dtype : {DType::kFloat64, DType::kFloat16}) {
    const std::vector<Tensor> operands = {random_tensor(dtype, c.x, 1, 2),
                                          random_tensor(dtype, c.w, 2, 2)};
    check(Op::kWinogradConv, by_winograd(operands, 2, 4), attrs_of(c, 2), {direct(c, operands)},
          1e-2);
  }
}

/// Elements from -1 to 1 by a rule.
template <class F>
Tensor filled(Ints shape, F rule) {
  Tensor result(DType::kFloat64, std::move(shape));
  for (int64_t i = 0; i < result.count(); ++i) result.set_number(i, rule(i));
  return result.cast(DType::kFloat32);
}

TEST(Winograd, ErrorStaysBelowItsBound) {
  const Case c{{1, 64, 8, 8}, {16, 64, 3, 3}, {1, 1, 1, 1}};
  const auto noise = [](int64_t i) { return std::sin(static_cast<double>(i * i % 9973)); };
  const auto sign = [](int64_t i) { return i * 7919 % 13 < 6 ? 1.0 : -1.0; };
  struct {
    Tensor x, w;
  } const data[] = {
      {filled(c.x, noise), filled(c.w, noise)},
      // Large sums that cancel, so that every result is small.
      {filled(c.x, [](int64_t i) { return 1 + 1e-3 * std::sin(static_cast<double>(i)); }),
       filled(c.w, [](int64_t i) { return i % 2 == 0 ? 1.0 : -1.0; })},
      // Signs that add up in the transforms.
      {filled(c.x, [](int64_t i) { return (i % 8 + i / 8) % 2 == 0 ? 1.0 : -1.0; }),
       filled(c.w, sign)},
      // Every tap alone, beside values of every size.
      {filled(c.x, [&](int64_t i) { return std::ldexp(noise(i), -static_cast<int>(i % 40)); }),
       filled(c.w, [](int64_t i) { return i / 9 % 9 == i % 9 ? 1.0 : 0.0; })},
  };
  for (const auto& [x, w] : data) {
    const Tensor exact = direct(c, {x.cast(DType::kFloat64), w.cast(DType::kFloat64)});
    for (auto [tile, growth] : {std::pair<int64_t, double>{2, 16}, {4, 205}}) {
      const Tensor result =
          evaluate(Op::kWinogradConv, by_winograd({x, w}, tile, 16), attrs_of(c, tile));
      for (int64_t i = 0; i < result.count(); ++i) {
        double weights = 0;
        for (int64_t k = 0; k < 64 * 9; ++k) weights += std::abs(w.number(i / 64 * 64 * 9 + k));
        const double bound = (64 + 24) * std::ldexp(growth, -24) * weights;
        ASSERT_LE(std::abs(result.number(i) - exact.number(i)), bound);
      }
    }
  }
}

TEST(Winograd, ErrorOnRandomDataIsNearTheDirectSums) {
  const Case c{{1, 256, 8, 8}, {16, 256, 3, 3}, {1, 1, 1, 1}};
  const auto noise = [](int64_t i) { return std::sin(static_cast<double>(i * i % 99991)); };
  const Tensor x = filled(c.x, [&](int64_t i) { return std::max(0.0, noise(i)); });
  const Tensor w = filled(c.w, noise);
  const Tensor exact = direct(c, {x.cast(DType::kFloat64), w.cast(DType::kFloat64)});
  auto error = [&](const Tensor& result) {
    double squares = 0;
    for (int64_t i = 0; i < exact.count(); ++i)
      squares += std::pow(result.number(i) - exact.number(i), 2);
    return std::sqrt(squares);
  };
  const double plain = error(direct(c, {x, w}));
  for (auto [tile, factor] : {std::pair<int64_t, double>{2, 1.5}, {4, 4}}) {
    const Tensor result =
        evaluate(Op::kWinogradConv, by_winograd({x, w}, tile, 16), attrs_of(c, tile));
    EXPECT_LE(error(result), factor * plain);
  }
}

TEST(Winograd, WrongOperands) {
  const ir::Attrs pack = {{"tile", int64_t{4}}, {"width", int64_t{4}}};
  const Tensor x = random_tensor(DType::kFloat32, {1, 2, 5, 5}, 1);
  const Tensor w = random_tensor(DType::kFloat32, {4, 2, 3, 3}, 1);
  EXPECT_EQ(
      testing::error_of(Op::kWinogradFilter, {w}, {{"tile", int64_t{3}}, {"width", int64_t{4}}}),
      "tiles have 2 or 4 outputs along an axis, not 3");
  EXPECT_EQ(testing::error_of(Op::kWinogradFilter,
                              {random_tensor(DType::kFloat32, {4, 2, 1, 3}, 1)}, pack),
            "[4, 2, 1, 3] is no filter of floats with kernel 3x3");
  const Tensor u = evaluate(Op::kWinogradFilter, {w}, pack);
  const Case c{{}, {4}, {1, 1, 1, 1}};
  EXPECT_EQ(testing::error_of(Op::kWinogradConv, {x, u}, attrs_of(c, 2)),
            "[1, 36, 2, 4] does not hold 4 output channels for tiles of 2");
  EXPECT_EQ(testing::error_of(Op::kWinogradConv,
                              {random_tensor(DType::kFloat32, {1, 3, 5, 5}, 1), u}, attrs_of(c, 4)),
            "input [1, 3, 5, 5] and filter [1, 36, 2, 4] do not fit");
  EXPECT_EQ(
      testing::error_of(Op::kWinogradConv, {random_tensor(DType::kFloat32, {1, 2, 2, 5}, 1), u},
                        attrs_of({{}, {4}, {0, 0, 0, 0}}, 4)),
      "kernel 3x3 does not fit the padded input [1, 2, 2, 5]");
}

}  // namespace
}  // namespace tenon
