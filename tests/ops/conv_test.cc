#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::evaluate;
using testing::floats;
using testing::random_tensor;

using Ints = std::vector<int64_t>;

/// A 2-D convolution's shapes and attributes; 1-D ones have height 1.
struct Case {
  Ints x, w;
  Ints strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  int64_t groups = 1;
  bool bias = false;

  ir::Attrs attrs() const {
    return {{"strides", strides}, {"pads", pads}, {"dilations", dilations}, {"groups", groups}};
  }
};

/// The definition, tap by tap in double.
Tensor convolve(const Case& c, const Tensor& x, const Tensor& w, const Tensor* b) {
  Ints shape = {c.x[0], c.w[0]};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t extent = (c.w[i + 2] - 1) * c.dilations[i] + 1;
    shape.push_back((c.x[i + 2] + c.pads[i] + c.pads[i + 2] - extent) / c.strides[i] + 1);
  }
  const int64_t outputs = c.w[0] / c.groups;
  return testing::generate(x.dtype(), shape, [&](int64_t i) {
    const int64_t column = i % shape[3], row = i / shape[3] % shape[2];
    const int64_t m = i / (shape[3] * shape[2]) % shape[1],
                  n = i / (shape[3] * shape[2] * shape[1]);
    double sum = b ? b->number(m) : 0;
    for (int64_t channel = 0; channel < c.w[1]; ++channel) {
      for (int64_t tap = 0; tap < c.w[2] * c.w[3]; ++tap) {
        const int64_t h = row * c.strides[0] - c.pads[0] + tap / c.w[3] * c.dilations[0];
        const int64_t v = column * c.strides[1] - c.pads[1] + tap % c.w[3] * c.dilations[1];
        if (h < 0 || h >= c.x[2] || v < 0 || v >= c.x[3]) continue;
        const int64_t from = n * c.x[1] + m / outputs * c.w[1] + channel;
        sum += x.number((from * c.x[2] + h) * c.x[3] + v) *
               w.number((m * c.w[1] + channel) * c.w[2] * c.w[3] + tap);
      }
    }
    return sum;
  });
}

const Case kCases[] = {
    {.x = {1, 1, 3, 3}, .w = {1, 1, 2, 2}},
    {.x = {2, 3, 5, 7}, .w = {4, 3, 3, 3}, .pads = {1, 1, 1, 1}, .bias = true},
    {.x = {1, 2, 8, 9}, .w = {5, 2, 3, 2}, .strides = {2, 3}, .pads = {1, 0, 2, 3}},
    {.x = {1, 2, 9, 9}, .w = {3, 2, 3, 3}, .pads = {2, 3, 2, 3}, .dilations = {2, 3}, .bias = true},
    {.x = {2, 6, 4, 4}, .w = {9, 2, 3, 3}, .pads = {1, 1, 1, 1}, .groups = 3, .bias = true},
    {.x = {1, 5, 6, 6}, .w = {5, 1, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .groups = 5},
    {.x = {1, 3, 4, 4}, .w = {6, 1, 3, 3}, .pads = {1, 1, 1, 1}, .groups = 3},
    {.x = {3, 4, 2, 2}, .w = {6, 4, 1, 1}, .bias = true},
    {.x = {1, 1, 1, 1}, .w = {2, 1, 3, 3}, .pads = {3, 3, 3, 3}},
    {.x = {1, 2, 1, 40}, .w = {2, 2, 1, 5}, .strides = {1, 4}, .pads = {0, 2, 0, 2}},
};

TEST(Conv, AgreesWithTheDefinition) {
  for (const Case& c : kCases) {
    const Tensor x = random_tensor(DType::kFloat32, c.x, 1),
                 w = random_tensor(DType::kFloat32, c.w, 2);
    const Tensor b = random_tensor(DType::kFloat32, {c.w[0]}, 3);
    std::vector<Tensor> operands = {x, w};
    if (c.bias) operands.push_back(b);
    check(Op::kConv, operands, c.attrs(), {convolve(c, x, w, c.bias ? &b : nullptr)});
  }
}

TEST(Conv, PackedFiltersGiveTheSame) {
  for (const Case& c : kCases) {
    const Tensor x = random_tensor(DType::kFloat32, c.x, 1),
                 w = random_tensor(DType::kFloat32, c.w, 2);
    const Tensor packed =
        evaluate(Op::kPackFilter, {w}, {{"width", int64_t{4}}, {"groups", c.groups}});
    ir::Attrs attrs = c.attrs();
    attrs.set("packed", int64_t{4});
    attrs.set("channels", c.w[0]);
    check(Op::kConv, {x, packed}, attrs, {convolve(c, x, w, nullptr)});
  }
}

TEST(Conv, DiagonalFiltersGiveTheSame) {
  const Case groups[] = {
      {.x = {2, 8, 4, 3}, .w = {8, 2, 3, 3}, .pads = {1, 1, 1, 1}, .groups = 4},
      {.x = {1, 12, 3, 4}, .w = {12, 6, 2, 1}, .groups = 2},
      {.x = {1, 9, 3, 3}, .w = {9, 3, 3, 1}, .pads = {1, 0, 1, 0}, .groups = 3},
      {.x = {1, 7, 3, 3}, .w = {7, 1, 2, 2}, .groups = 7},
      {.x = {1, 5, 3, 3}, .w = {5, 5, 2, 2}},
  };
  for (const Case& c : groups) {
    const Tensor x = random_tensor(DType::kFloat32, c.x, 1),
                 w = random_tensor(DType::kFloat32, c.w, 2);
    for (const int64_t width : {1, 4, 8}) {
      const ir::Attrs form = {{"width", width}, {"groups", c.groups}, {"diagonal", true}};
      ir::Attrs attrs = c.attrs();
      attrs.set("packed", width);
      attrs.set("channels", c.w[0]);
      check(Op::kConv, {x, evaluate(Op::kPackFilter, {w}, form)}, attrs,
            {convolve(c, x, w, nullptr)});
    }
  }
}

TEST(Conv, EveryDType) {
  const Case c{.x = {1, 2, 4, 5}, .w = {3, 2, 2, 3}, .pads = {1, 1, 0, 1}};
  for (DType dtype :
       {DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8, DType::kInt32}) {
    const Tensor x = random_tensor(dtype, c.x, 1, 2), w = random_tensor(dtype, c.w, 2, 2);
    check(Op::kConv, {x, w}, c.attrs(), {convolve(c, x, w, nullptr)});
  }
}

TEST(Conv, OneAxis) {
  check(
      Op::kConv, {floats({1, 1, 5}, {1, 2, 3, 4, 5}), floats({1, 1, 3}, {1, 10, 100})},
      {{"strides", Ints{2}}, {"pads", Ints{1, 1}}, {"dilations", Ints{1}}, {"groups", int64_t{1}}},
      {floats({1, 1, 3}, {210, 432, 54})});
}

TEST(Conv, ThreeAxes) {
  // Each element plus the one a plane, a row and a column further.
  const Tensor x = testing::counting(DType::kFloat32, {1, 1, 2, 3, 3});
  const Tensor w = floats({1, 1, 2, 2, 2}, {1, 0, 0, 0, 0, 0, 0, 1});
  check(Op::kConv, {x, w},
        {{"strides", Ints{1, 1, 1}},
         {"pads", Ints(6, 0)},
         {"dilations", Ints{1, 1, 1}},
         {"groups", int64_t{1}}},
        {floats({1, 1, 1, 2, 2}, {0 + 13, 1 + 14, 3 + 16, 4 + 17})});
}

TEST(Conv, PacksFilters) {
  const Tensor w = floats({3, 2, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  check(Op::kPackFilter, {w}, {{"width", int64_t{2}}, {"groups", int64_t{1}}},
        {floats({1, 2, 1, 2, 2, 2}, {1, 5, 3, 7, 2, 6, 4, 8, 9, 0, 11, 0, 10, 0, 12, 0})});
}

TEST(Conv, PacksDiagonals) {
  const auto packs = [](const Tensor& w, int64_t width, int64_t groups, const Tensor& packed) {
    check(Op::kPackFilter, {w}, {{"width", width}, {"groups", groups}, {"diagonal", true}},
          {packed});
  };
  // Depthwise: the diagonal of each tap.
  packs(floats({3, 1, 1, 2}, {1, 2, 3, 4, 5, 6}), 2, 3,
        floats({2, 1, 1, 2, 2}, {1, 3, 2, 4, 5, 0, 6, 0}));
  // Two outputs for each input channel.
  packs(floats({4, 1, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), 3, 2,
        floats({2, 1, 1, 2, 3}, {1, 3, 5, 2, 4, 6, 7, 0, 0, 8, 0, 0}));
  // Two matrices beside each other, a lane unused.
  packs(floats({4, 2, 1}, {11, 12, 21, 22, 33, 34, 43, 44}), 5, 2,
        floats({1, 2, 1, 5}, {11, 22, 33, 44, 0, 21, 12, 43, 34, 0}));
  // A matrix of two blocks of columns and two of rows.
  packs(floats({4, 4, 1}, {11, 12, 13, 14, 21, 22, 23, 24, 31, 32, 33, 34, 41, 42, 43, 44}), 2, 1,
        floats({2, 4, 1, 2}, {11, 22, 13, 24, 21, 12, 23, 14, 31, 42, 33, 44, 41, 32, 43, 34}));
}

TEST(Conv, PacksNothing) {
  const ir::TensorType w{DType::kFloat32, {0, 0, 3, 3}};
  ir::Dims dims;
  const ops::Inferred result =
      testing::infer(Op::kPackFilter, {&w},
                     {{"width", int64_t{4}}, {"groups", int64_t{1}}, {"diagonal", true}}, dims);
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->front(), (ir::TensorType{DType::kFloat32, {0, 0, 3, 3, 4}}));
}

TEST(Conv, SymbolicDims) {
  ir::Dims dims;
  const ir::Dim n = dims.symbol("n"), h = dims.symbol("h");
  const ir::TensorType x{DType::kFloat32, {n, 3, h, 8}}, w{DType::kFloat32, {4, 3, 3, 3}};
  const ops::Inferred result = testing::infer(Op::kConv, {&x, &w},
                                              {{"strides", Ints{2, 1}},
                                               {"pads", Ints{1, 1, 1, 1}},
                                               {"dilations", Ints{1, 1}},
                                               {"groups", int64_t{1}}},
                                              dims);
  ASSERT_TRUE(result) << result.error();
  const ir::Dim rows = dims.add(dims.floor_div(dims.sub(h, 1), 2), 1);
  EXPECT_EQ(result->front(), (ir::TensorType{DType::kFloat32, {n, 4, rows, 8}}));
}

TEST(Conv, SaysWhatIsWrong) {
  const auto error = [](Ints x, Ints w, ir::Attrs attrs) {
    return testing::error_of(Op::kConv, {Tensor(DType::kFloat32, x), Tensor(DType::kFloat32, w)},
                             attrs);
  };
  const ir::Attrs plain = Case{}.attrs();
  EXPECT_EQ(error({1, 1, 2, 2}, {1, 1, 3, 3}, plain),
            "the 3x3 kernel does not fit the padded input 2x2");
  EXPECT_EQ(error({1, 5, 8, 8}, {4, 3, 3, 3}, plain),
            "the input has 5 channels, the filter [4, 3, 3, 3] takes 1 groups of 3");
  EXPECT_EQ(error({1, 5, 8}, {4, 5, 3, 3}, plain),
            "input [1, 5, 8] does not have batch, channels and 2 spatial axes");
  Case grouped;
  grouped.groups = 3;
  EXPECT_EQ(error({1, 6, 8, 8}, {4, 2, 3, 3}, grouped.attrs()),
            "4 output channels do not split into 3 groups");
  Case still;
  still.strides = {0, 1};
  EXPECT_EQ(error({1, 3, 8, 8}, {4, 3, 3, 3}, still.attrs()),
            "kernel [3, 3], strides [0, 1] and dilations [1, 1] must be positive");
  EXPECT_EQ(testing::error_of(Op::kPackFilter, {Tensor(DType::kFloat32, {6, 2, 3, 3})},
                              {{"width", int64_t{4}}, {"groups", int64_t{2}}, {"diagonal", true}}),
            "groups of 2 input and 3 output channels have no diagonals");
}

}  // namespace
}  // namespace tenon
