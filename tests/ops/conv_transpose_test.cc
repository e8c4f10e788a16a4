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

struct Case {
  Ints x, w;
  Ints strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  int64_t groups = 1;
  Ints output_padding = {0, 0};
  bool bias = false;

  ir::Attrs attrs() const {
    return {{"strides", strides},
            {"pads", pads},
            {"dilations", dilations},
            {"groups", groups},
            {"output_padding", output_padding}};
  }
};

/// The definition: every input element spreads over the taps, in double.
Tensor spread(const Case& c, const Tensor& x, const Tensor& w, const Tensor* b) {
  Ints shape = {c.x[0], c.w[1] * c.groups};
  for (size_t i = 0; i < 2; ++i) {
    shape.push_back((c.x[i + 2] - 1) * c.strides[i] + (c.w[i + 2] - 1) * c.dilations[i] + 1 -
                    c.pads[i] - c.pads[i + 2] + c.output_padding[i]);
  }
  Tensor result = testing::generate(x.dtype(), shape, [&](int64_t i) {
    return b ? b->number(i / (shape[2] * shape[3]) % shape[1]) : 0.0;
  });
  const int64_t inputs = c.x[1] / c.groups;
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t column = i % c.x[3], row = i / c.x[3] % c.x[2];
    const int64_t channel = i / (c.x[3] * c.x[2]) % c.x[1], n = i / (c.x[3] * c.x[2] * c.x[1]);
    for (int64_t m = 0; m < c.w[1]; ++m) {
      for (int64_t tap = 0; tap < c.w[2] * c.w[3]; ++tap) {
        const int64_t h = row * c.strides[0] - c.pads[0] + tap / c.w[3] * c.dilations[0];
        const int64_t v = column * c.strides[1] - c.pads[1] + tap % c.w[3] * c.dilations[1];
        if (h < 0 || h >= shape[2] || v < 0 || v >= shape[3]) continue;
        const int64_t to = n * shape[1] + channel / inputs * c.w[1] + m;
        const int64_t at = (to * shape[2] + h) * shape[3] + v;
        result.set_number(
            at, result.number(at) +
                    x.number(i) * w.number((channel * c.w[1] + m) * c.w[2] * c.w[3] + tap));
      }
    }
  }
  return result;
}

const Case kCases[] = {
    {.x = {1, 1, 2, 2}, .w = {1, 1, 2, 2}},
    {.x = {2, 3, 4, 5}, .w = {3, 2, 3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .bias = true},
    {.x = {1, 2, 3, 3},
     .w = {2, 4, 3, 2},
     .strides = {3, 2},
     .pads = {0, 1, 2, 0},
     .output_padding = {2, 1}},
    {.x = {1, 4, 3, 4}, .w = {4, 3, 2, 3}, .dilations = {2, 3}, .groups = 2, .bias = true},
    {.x = {1, 3, 4, 4}, .w = {3, 1, 4, 4}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .groups = 3},
    {.x = {2, 2, 1, 1}, .w = {2, 2, 1, 1}, .strides = {2, 3}, .output_padding = {1, 2}},
};

TEST(ConvTranspose, AgreesWithTheDefinition) {
  for (const Case& c : kCases) {
    for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kFloat64, DType::kInt32}) {
      const Tensor x = random_tensor(dtype, c.x, 1), w = random_tensor(dtype, c.w, 2);
      const Tensor b = random_tensor(dtype, {c.w[1] * c.groups}, 3);
      std::vector<Tensor> operands = {x, w};
      if (c.bias) operands.push_back(b);
      check(Op::kConvTranspose, operands, c.attrs(), {spread(c, x, w, c.bias ? &b : nullptr)});
    }
  }
}

TEST(ConvTranspose, PackedFiltersGiveTheSame) {
  for (const Case& c : kCases) {
    const Tensor x = random_tensor(DType::kFloat32, c.x, 1);
    const Tensor w = random_tensor(DType::kFloat32, c.w, 2);
    const std::vector<ir::Dim> by_group = {c.groups, c.w[0] / c.groups, c.w[1], c.w[2], c.w[3]};
    Tensor packed = evaluate(Op::kReshape, {w}, {{"dims", by_group}});
    packed = evaluate(Op::kTranspose, {packed}, {{"perm", Ints{0, 3, 4, 1, 2}}});
    packed = evaluate(Op::kPackMatrix, {packed}, {{"width", int64_t{3}}});
    ir::Attrs attrs = c.attrs();
    attrs.set("packed", int64_t{3});
    attrs.set("channels", c.w[1] * c.groups);
    check(Op::kConvTranspose, {x, packed}, attrs, {spread(c, x, w, nullptr)});
  }
}

TEST(ConvTranspose, OneAxisByHand) {
  check(Op::kConvTranspose, {floats({1, 1, 3}, {1, 2, 3}), floats({1, 1, 2}, {1, 10})},
        {{"strides", Ints{2}},
         {"pads", Ints{1, 0}},
         {"dilations", Ints{1}},
         {"groups", int64_t{1}},
         {"output_padding", Ints{1}}},
        {floats({1, 1, 6}, {10, 2, 20, 3, 30, 0})});
}

TEST(ConvTranspose, ThreeAxes) {
  const Tensor x = floats({1, 1, 1, 1, 2}, {1, 10});
  const Tensor w = testing::counting(DType::kFloat32, {1, 1, 2, 2, 1});
  check(Op::kConvTranspose, {x, w},
        {{"strides", Ints{1, 1, 1}},
         {"pads", Ints(6, 0)},
         {"dilations", Ints{1, 1, 1}},
         {"groups", int64_t{1}},
         {"output_padding", Ints{0, 0, 0}}},
        {floats({1, 1, 2, 2, 2}, {0, 0, 1, 10, 2, 20, 3, 30})});
}

TEST(ConvTranspose, SaysWhatIsWrong) {
  const auto error = [](Ints x, Ints w, const Case& c) {
    return testing::error_of(Op::kConvTranspose,
                             {Tensor(DType::kFloat32, x), Tensor(DType::kFloat32, w)}, c.attrs());
  };
  EXPECT_EQ(error({1, 3, 4, 4}, {2, 3, 3, 3}, {}),
            "the input has 3 channels, the filter [2, 3, 3, 3] takes 2");
  EXPECT_EQ(error({1, 2, 1, 1}, {2, 3, 1, 1}, {.pads = {1, 0, 0, 0}}),
            "pads 1 and 0 crop all of spatial axis 0");
  EXPECT_EQ(error({1, 2, 4, 4}, {2, 3, 3, 3}, {.groups = 4}),
            "2 input channels do not split into 4 groups");
  EXPECT_EQ(error({1, 2, 4, 4}, {2, 3, 3, 3}, {.output_padding = {1}}),
            "output padding [1] does not describe 2 spatial axes");
  ir::Attrs packed = Case{}.attrs();
  packed.set("packed", int64_t{4});
  packed.set("channels", int64_t{9});
  EXPECT_EQ(testing::error_of(Op::kConvTranspose,
                              {Tensor(DType::kFloat32, {1, 2, 4, 4}),
                               Tensor(DType::kFloat32, {1, 3, 3, 2, 2, 4})},
                              packed),
            "[1, 3, 3, 2, 2, 4] does not hold a filter of 9 output channels in 1 groups, packed to "
            "4");
}

}  // namespace
}  // namespace tenon
