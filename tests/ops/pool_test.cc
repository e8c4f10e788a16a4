#include <gtest/gtest.h>

#include <limits>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::random_tensor;

using Ints = std::vector<int64_t>;

struct Case {
  Ints x, kernel;
  Ints strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  bool ceil = false, count_pads = false;

  ir::Attrs attrs(Op op) const {
    ir::Attrs attrs = {{"kernel", kernel},
                       {"strides", strides},
                       {"pads", pads},
                       {"dilations", dilations},
                       {"ceil", ceil}};
    if (op == Op::kAveragePool) attrs.set("count_pads", count_pads);
    return attrs;
  }
};

/// The definition, tap by tap.
Tensor pool(const Case& c, Op op, const Tensor& x) {
  Ints shape = {c.x[0], c.x[1]};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t room =
        c.x[i + 2] + c.pads[i] + c.pads[i + 2] - (c.kernel[i] - 1) * c.dilations[i] - 1;
    int64_t count = (room + (c.ceil ? c.strides[i] - 1 : 0)) / c.strides[i] + 1;
    if (c.ceil && (count - 1) * c.strides[i] >= c.x[i + 2] + c.pads[i]) --count;
    shape.push_back(count);
  }
  return testing::generate(x.dtype(), shape, [&](int64_t i) {
    const int64_t column = i % shape[3], row = i / shape[3] % shape[2];
    const int64_t plane = i / (shape[3] * shape[2]);
    double sum = 0, greatest = -INFINITY;
    if (!ir::is_float(x.dtype())) greatest = x.dtype() == DType::kInt8 ? -128 : 0;
    int count = 0;
    for (int64_t tap = 0; tap < c.kernel[0] * c.kernel[1]; ++tap) {
      const int64_t h = row * c.strides[0] - c.pads[0] + tap / c.kernel[1] * c.dilations[0];
      const int64_t w = column * c.strides[1] - c.pads[1] + tap % c.kernel[1] * c.dilations[1];
      const bool inside = h >= 0 && h < c.x[2] && w >= 0 && w < c.x[3];
      const bool padding = h < c.x[2] + c.pads[2] && w < c.x[3] + c.pads[3];
      if (inside || (c.count_pads && padding)) ++count;
      if (!inside) continue;
      const double element = x.number((plane * c.x[2] + h) * c.x[3] + w);
      sum += element;
      greatest = std::max(greatest, element);
    }
    return op == Op::kMaxPool ? greatest : sum / count;
  });
}

const Case kCases[] = {
    {.x = {1, 1, 4, 4}, .kernel = {2, 2}, .strides = {2, 2}},
    {.x = {2, 3, 5, 7}, .kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
    {.x = {2, 3, 5, 7},
     .kernel = {3, 2},
     .strides = {2, 3},
     .pads = {1, 0, 2, 1},
     .count_pads = true},
    {.x = {1, 2, 6, 6}, .kernel = {3, 3}, .strides = {2, 2}, .ceil = true},
    {.x = {1, 2, 6, 5},
     .kernel = {2, 2},
     .strides = {3, 3},
     .pads = {1, 1, 1, 1},
     .ceil = true,
     .count_pads = true},
    {.x = {1, 2, 4, 4}, .kernel = {2, 1}, .strides = {4, 4}, .pads = {0, 0, 1, 1}, .ceil = true},
    {.x = {1, 2, 9, 9},
     .kernel = {3, 2},
     .pads = {2, 1, 2, 1},
     .dilations = {2, 3},
     .count_pads = true},
    {.x = {3, 1, 3, 3}, .kernel = {3, 3}},
};

TEST(Pool, MaximaAgreeWithTheDefinition) {
  for (const Case& c : kCases) {
    for (DType dtype :
         {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt8, DType::kUInt8}) {
      const Tensor x = random_tensor(dtype, c.x, 1, 50);
      check(Op::kMaxPool, {x}, c.attrs(Op::kMaxPool), {pool(c, Op::kMaxPool, x)});
    }
  }
}

TEST(Pool, AveragesAgreeWithTheDefinition) {
  for (const Case& c : kCases) {
    const Tensor x = random_tensor(DType::kFloat32, c.x, 1, 50);
    check(Op::kAveragePool, {x}, c.attrs(Op::kAveragePool), {pool(c, Op::kAveragePool, x)}, 1e-6);
    const Tensor half = random_tensor(DType::kBFloat16, c.x, 1, 50);
    check(Op::kAveragePool, {half}, c.attrs(Op::kAveragePool), {pool(c, Op::kAveragePool, half)},
          1e-2);
  }
}

TEST(Pool, OneAxisAndThree) {
  check(Op::kMaxPool, {floats({1, 1, 5}, {1, 5, 2, 4, 3})},
        {{"kernel", Ints{2}},
         {"strides", Ints{2}},
         {"pads", Ints{1, 0}},
         {"dilations", Ints{1}},
         {"ceil", false}},
        {floats({1, 1, 3}, {1, 5, 4})});
  check(Op::kAveragePool, {testing::counting(DType::kFloat32, {1, 1, 2, 2, 2})},
        {{"kernel", Ints{2, 2, 1}},
         {"strides", Ints{1, 1, 1}},
         {"pads", Ints(6, 0)},
         {"dilations", Ints{1, 1, 1}},
         {"ceil", false},
         {"count_pads", false}},
        {floats({1, 1, 1, 1, 2}, {3, 4})});
}

TEST(Pool, SymbolicDimsWithCeil) {
  ir::Dims dims;
  const ir::Dim h = dims.symbol("h");
  const ir::TensorType x{DType::kFloat32, {1, 1, h, 4}};
  const Case c{.x = {}, .kernel = {2, 2}, .strides = {2, 2}, .ceil = true};
  const ops::Inferred result = testing::infer(Op::kMaxPool, {&x}, c.attrs(Op::kMaxPool), dims);
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(dims.evaluate(result->front().dims[2], {{"h", 7}}), 4);
  EXPECT_EQ(dims.evaluate(result->front().dims[2], {{"h", 8}}), 4);
}

TEST(Pool, SaysWhatIsWrong) {
  const Case c{.x = {}, .kernel = {3, 3}};
  const auto error = [&](Op op, DType dtype, Ints shape) {
    return testing::error_of(op, {Tensor(dtype, shape)}, c.attrs(op));
  };
  EXPECT_EQ(error(Op::kMaxPool, DType::kFloat32, {1, 1, 2, 5}),
            "the 3x3 kernel does not fit the padded input 2x5");
  EXPECT_EQ(error(Op::kAveragePool, DType::kInt32, {1, 1, 4, 4}),
            "an average takes floats, not i32");
  EXPECT_EQ(error(Op::kMaxPool, DType::kFloat32, {1, 4, 4}),
            "input [1, 4, 4] does not have batch, channels and 2 spatial axes");
}

}  // namespace
}  // namespace tenon
