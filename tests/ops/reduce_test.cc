#include <gtest/gtest.h>

#include <algorithm>
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

ir::Attrs reduce_attrs(const std::string& kind, Ints axes, bool keep) {
  return {{"kind", kind}, {"axes", std::move(axes)}, {"keep", keep}};
}

double combine(const std::string& kind, double a, double x) {
  if (kind == "max" || kind == "any") return std::max(a, x);
  if (kind == "min" || kind == "all") return std::min(a, x);
  if (kind == "prod") return a * x;
  if (kind == "sum_square") return a + x * x;
  return a + (kind == "l1" ? std::abs(x) : x);
}

/// The definition over a tensor of rank 3 in double.
Tensor reduce(const std::string& kind, const Tensor& x, const Ints& axes, bool keep) {
  bool reduced[3] = {};
  int64_t count = 1;
  for (int64_t axis : axes) {
    reduced[axis] = true;
    count *= x.shape()[axis];
  }
  Ints full(3, 1), shape;
  for (int axis = 0; axis < 3; ++axis) {
    if (!reduced[axis]) full[axis] = x.shape()[axis];
    if (!reduced[axis] || keep) shape.push_back(full[axis]);
  }
  const double first = kind == "max" || kind == "any"   ? -1e9
                       : kind == "min" || kind == "all" ? 1e9
                       : kind == "prod"                 ? 1
                                                        : 0;
  std::vector<double> sums(full[0] * full[1] * full[2], first);
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t index[] = {i / (x.shape()[1] * x.shape()[2]), i / x.shape()[2] % x.shape()[1],
                             i % x.shape()[2]};
    int64_t at = 0;
    for (int axis = 0; axis < 3; ++axis) at = at * full[axis] + (reduced[axis] ? 0 : index[axis]);
    sums[at] = combine(kind, sums[at], x.number(i));
  }
  return testing::generate(x.dtype(), shape, [&](int64_t i) {
    return kind == "mean" ? sums[i] / static_cast<double>(count) : sums[i];
  });
}

const Ints kAxes[] = {{}, {0}, {1}, {2}, {0, 2}, {1, 2}, {0, 1, 2}};

TEST(Reduce, EveryKindAndAxis) {
  const Tensor x = random_tensor(DType::kFloat32, {3, 4, 5}, 7, 3);
  for (const char* kind : {"sum", "mean", "max", "min", "prod", "sum_square", "l1"}) {
    for (const Ints& axes : kAxes) {
      for (bool keep : {false, true}) {
        check(Op::kReduce, {x}, reduce_attrs(kind, axes, keep), {reduce(kind, x, axes, keep)},
              1e-6);
      }
    }
  }
}

TEST(Reduce, EveryDType) {
  for (DType dtype : {DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8,
                      DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kUInt32,
                      DType::kInt64, DType::kUInt64}) {
    const Tensor x = random_tensor(dtype, {2, 3, 4}, 3, 2);
    for (const char* kind : {"sum", "max", "min", "l1", "sum_square"}) {
      for (const Ints& axes : {Ints{1}, Ints{2}}) {
        check(Op::kReduce, {x}, reduce_attrs(kind, axes, false), {reduce(kind, x, axes, false)});
      }
    }
  }
}

TEST(Reduce, Bools) {
  const Tensor x = random_tensor(DType::kBool, {3, 2, 3}, 5);
  for (const char* kind : {"any", "all", "max", "min"}) {
    for (const Ints& axes : kAxes) {
      check(Op::kReduce, {x}, reduce_attrs(kind, axes, true), {reduce(kind, x, axes, true)});
    }
  }
}

TEST(Reduce, IntegersWrapAndMeansTruncate) {
  const Tensor bytes = testing::tensor(DType::kInt8, {2}, {100, 100});
  check(Op::kReduce, {bytes}, reduce_attrs("sum", {0}, false),
        {testing::tensor(DType::kInt8, {}, {-56})});
  const Tensor x = testing::tensor(DType::kInt32, {2}, {-3, -4});
  check(Op::kReduce, {x}, reduce_attrs("mean", {0}, false),
        {testing::tensor(DType::kInt32, {}, {-3})});
}

TEST(Reduce, OverNothing) {
  const Tensor x(DType::kFloat32, {2, 0});
  const std::pair<const char*, double> cases[] = {
      {"sum", 0}, {"prod", 1}, {"max", -INFINITY}, {"min", INFINITY}, {"mean", NAN}};
  for (const auto& [kind, value] : cases) {
    check(Op::kReduce, {x}, reduce_attrs(kind, {1}, false), {floats({2}, {value, value})});
  }
  check(Op::kReduce, {Tensor(DType::kInt16, {1, 0})}, reduce_attrs("max", {1}, false),
        {testing::tensor(DType::kInt16, {1}, {-32768})});
  check(Op::kReduce, {Tensor(DType::kInt64, {1, 0})}, reduce_attrs("max", {1}, false),
        {testing::generate(DType::kInt64, {1}, [](int64_t) { return -0x1p63; })});
  check(Op::kReduce, {Tensor(DType::kUInt8, {1, 0})}, reduce_attrs("min", {1}, false),
        {testing::tensor(DType::kUInt8, {1}, {255})});
}

TEST(Reduce, Scalars) {
  check(Op::kReduce, {floats({}, {-3})}, reduce_attrs("l1", {}, false), {floats({}, {3})});
}

TEST(Reduce, SaysWhatIsWrong) {
  const auto error = [](DType dtype, const ir::Attrs& attrs) {
    return testing::error_of(Op::kReduce, {Tensor(dtype, {2, 3})}, attrs);
  };
  EXPECT_EQ(error(DType::kFloat32, reduce_attrs("sum", {2}, false)), "axis 2 is not in [0, 2)");
  EXPECT_EQ(error(DType::kFloat32, reduce_attrs("sum", {1, 0}, false)),
            "axes must ascend without repetition");
  EXPECT_EQ(error(DType::kBool, reduce_attrs("sum", {0}, false)), "sum does not reduce bool");
  EXPECT_EQ(error(DType::kFloat32, reduce_attrs("any", {0}, false)), "any does not reduce f32");
  EXPECT_EQ(error(DType::kFloat32, reduce_attrs("median", {0}, false)),
            "unknown kind of reduction \"median\"");
  EXPECT_EQ(error(DType::kInt8, reduce_attrs("mean", {0}, false)),
            "the mean of i8 is not defined: its sum overflows");
}

TEST(ArgReduce, FirstOrLastOfEqualOnes) {
  const Tensor x = floats({2, 4}, {3, 7, 7, 1, 2, 2, 2, 2});
  const auto attrs = [](const char* kind, int64_t axis, bool keep, bool last) -> ir::Attrs {
    return {{"kind", std::string(kind)}, {"axis", axis}, {"keep", keep}, {"last", last}};
  };
  check(Op::kArgReduce, {x}, attrs("max", 1, false, false), {testing::integers({2}, {1, 0})});
  check(Op::kArgReduce, {x}, attrs("max", 1, true, true), {testing::integers({2, 1}, {2, 3})});
  check(Op::kArgReduce, {x}, attrs("min", 1, false, false), {testing::integers({2}, {3, 0})});
  check(Op::kArgReduce, {x}, attrs("min", 0, false, true), {testing::integers({4}, {1, 1, 1, 0})});
  EXPECT_EQ(testing::error_of(Op::kArgReduce, {Tensor(DType::kFloat32, {2, 0})},
                              attrs("max", 1, false, false)),
            "axis 1 has no elements");
}

TEST(ArgReduce, EveryAxisOfSeveralDTypes) {
  for (DType dtype :
       {DType::kFloat32, DType::kFloat16, DType::kFloat64, DType::kInt32, DType::kUInt8}) {
    const Tensor x = random_tensor(dtype, {3, 4, 5}, 2, 9);
    for (int64_t axis : {0, 1, 2}) {
      Ints shape = x.shape();
      const int64_t size = shape[axis], stride = axis == 0 ? 20 : axis == 1 ? 5 : 1;
      shape[axis] = 1;
      const Tensor expected = testing::generate(DType::kInt64, shape, [&](int64_t i) {
        const int64_t first = i / stride * stride * size + i % stride;
        int64_t best = 0;
        for (int64_t j = 1; j < size; ++j) {
          if (x.number(first + j * stride) > x.number(first + best * stride)) best = j;
        }
        return best;
      });
      check(Op::kArgReduce, {x},
            {{"kind", std::string("max")}, {"axis", axis}, {"keep", true}, {"last", false}},
            {expected});
    }
  }
}

}  // namespace
}  // namespace tenon
