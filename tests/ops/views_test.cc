#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::Dim;
using ir::DType;
using ir::Op;
using ops::Tensor;
using Dims = std::vector<Dim>;
using Ints = std::vector<int64_t>;

const std::vector<DType> kOnePerSize = {DType::kBool, DType::kFloat16, DType::kFloat32,
                                        DType::kInt64};

TEST(Transpose, MovesAxes) {
  for (DType dtype : kOnePerSize) {
    check(Op::kTranspose, {tensor(dtype, {2, 3}, {1, 0, 1, 1, 1, 0})}, {{"perm", Ints{1, 0}}},
          {tensor(dtype, {3, 2}, {1, 1, 0, 1, 1, 0})});
  }
  check(Op::kTranspose, {counting(DType::kFloat32, {2, 2, 3})}, {{"perm", Ints{2, 0, 1}}},
        {floats({3, 2, 2}, {0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11})});
  check(Op::kTranspose, {counting(DType::kInt32, {2, 1, 40, 30})}, {{"perm", Ints{0, 1, 3, 2}}},
        {generate(DType::kInt32, {2, 1, 30, 40},
                  [](int64_t i) { return i / 1200 * 1200 + i % 40 * 30 + i / 40 % 30; })});
  EXPECT_EQ(error_of(Op::kTranspose, {floats({1, 2}, {1, 2})}, {{"perm", Ints{0, 0}}}),
            "the order of axes [0, 0] is no permutation of 2 axes");
  EXPECT_EQ(error_of(Op::kTranspose, {floats({1, 2}, {1, 2})}, {{"perm", Ints{0}}}),
            "an order of 1 axes for 2 axes");
}

TEST(Expand, RepeatsAxesOfOne) {
  check(Op::kExpand, {floats({2, 1}, {1, 2})}, {{"dims", Dims{2, 2, 3}}},
        {floats({2, 2, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2})});
  check(Op::kExpand, {tensor(DType::kBool, {}, {1})}, {{"dims", Dims{3}}},
        {tensor(DType::kBool, {3}, {1, 1, 1})});
  check(Op::kExpand, {floats({1}, {1})}, {{"dims", Dims{0}}}, {floats({0}, {})});
  EXPECT_EQ(error_of(Op::kExpand, {floats({2}, {1, 2})}, {{"dims", Dims{3}}}),
            "[2] does not broadcast to [3]");
  EXPECT_EQ(error_of(Op::kExpand, {floats({1, 1}, {1})}, {{"dims", Dims{3}}}),
            "[1, 1] does not broadcast to [3]");
}

ir::Attrs slice(Dims starts, Ints steps, Dims dims) {
  return {{"starts", std::move(starts)}, {"steps", std::move(steps)}, {"dims", std::move(dims)}};
}

TEST(Slice, StepsForwardsAndBackwards) {
  Tensor x = counting(DType::kFloat32, {3, 5});
  check(Op::kSlice, {x}, slice({1, 0}, {1, 2}, {2, 3}), {floats({2, 3}, {5, 7, 9, 10, 12, 14})});
  check(Op::kSlice, {x}, slice({2, 4}, {-2, -1}, {2, 2}), {floats({2, 2}, {14, 13, 4, 3})});
  check(Op::kSlice, {x}, slice({0, 5}, {1, 1}, {3, 0}), {floats({3, 0}, {})});
  check(Op::kSlice, {counting(DType::kInt64, {4})}, slice({1}, {2}, {2}), {integers({2}, {1, 3})});
}

TEST(Slice, StaysInside) {
  Tensor x = counting(DType::kFloat32, {3, 5});
  EXPECT_EQ(error_of(Op::kSlice, {x}, slice({0, 3}, {1, 1}, {3, 3})),
            "elements 3 to 5 along axis 1 do not lie in [3, 5]");
  EXPECT_EQ(error_of(Op::kSlice, {x}, slice({1, 0}, {-1, 1}, {3, 5})),
            "elements 1 to -1 along axis 0 do not lie in [3, 5]");
  EXPECT_EQ(error_of(Op::kSlice, {x}, slice({0, 0}, {0, 1}, {3, 5})), "step 0 along axis 0");
  EXPECT_EQ(error_of(Op::kSlice, {x}, slice({0}, {1}, {3})),
            "1 starts, 1 steps and 1 sizes for 2 axes");
}

TEST(Slice, TakesSymbolicSizes) {
  ir::Dims dims;
  Dim n = dims.symbol("n");
  ir::TensorType x{DType::kFloat32, {n, 4}};
  ops::Inferred all_but_one =
      infer(Op::kSlice, {&x}, slice({1, 0}, {1, 1}, {dims.sub(n, 1), 4}), dims);
  ASSERT_TRUE(all_but_one.has_value());
  EXPECT_EQ(all_but_one->front().dims[0], dims.sub(n, 1));
  ops::Inferred too_many = infer(Op::kSlice, {&x}, slice({1, 0}, {1, 1}, {n, 4}), dims);
  ASSERT_FALSE(too_many.has_value());
  EXPECT_EQ(too_many.error(), "elements 1 to n along axis 0 do not lie in [n, 4]");
}

TEST(Reshape, KeepsRowMajorOrder) {
  const Ints from[] = {{12, 10}, {2, 3, 4, 5}, {6, 20}, {120}, {2, 60}, {1, 2, 1, 60}, {24, 5}};
  for (const Ints& a : from) {
    for (const Ints& b : from) {
      check(Op::kReshape, {counting(DType::kInt32, a)}, {{"dims", Dims(b.begin(), b.end())}},
            {counting(DType::kInt32, b)});
    }
  }
  check(Op::kReshape, {floats({1, 1}, {3})}, {{"dims", Dims{}}}, {floats({}, {3})});
  check(Op::kReshape, {floats({}, {3})}, {{"dims", Dims{1, 1}}}, {floats({1, 1}, {3})});
  check(Op::kReshape, {floats({0, 3}, {})}, {{"dims", Dims{5, 0}}}, {floats({5, 0}, {})});
  EXPECT_EQ(error_of(Op::kReshape, {floats({2}, {1, 2})}, {{"dims", Dims{3}}}),
            "[2] does not have as many elements as [3]");
}

TEST(Reshape, ComparesSymbolicSizes) {
  ir::Dims dims;
  Dim n = dims.symbol("n"), m = dims.symbol("m");
  ir::TensorType x{DType::kFloat32, {n, m, 4}};
  EXPECT_TRUE(infer(Op::kReshape, {&x}, {{"dims", Dims{dims.mul(n, m), 4}}}, dims).has_value());
  EXPECT_TRUE(infer(Op::kReshape, {&x}, {{"dims", Dims{dims.mul(n, 4), m}}}, dims).has_value());
  ir::TensorType y{DType::kFloat32, {dims.add(n, 1)}};
  ops::Inferred bad = infer(Op::kReshape, {&y}, {{"dims", Dims{n}}}, dims);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error(), "[n + 1] does not have as many elements as [n]");
}

TEST(Concat, JoinsAlongAnAxis) {
  Tensor a = floats({2, 1}, {1, 2}), b = floats({2, 2}, {3, 4, 5, 6}), empty = floats({2, 0}, {});
  check(Op::kConcat, {a, b, empty, a}, {{"axis", int64_t{1}}},
        {floats({2, 4}, {1, 3, 4, 1, 2, 5, 6, 2})});
  for (DType dtype : kOnePerSize) {
    check(Op::kConcat, {tensor(dtype, {1, 2}, {0, 1}), tensor(dtype, {2, 2}, {1, 1, 0, 0})},
          {{"axis", int64_t{0}}}, {tensor(dtype, {3, 2}, {0, 1, 1, 1, 0, 0})});
  }
  check(Op::kConcat, {counting(DType::kInt32, {1, 3, 700}), counting(DType::kInt32, {1, 2, 700})},
        {{"axis", int64_t{1}}},
        {generate(DType::kInt32, {1, 5, 700}, [](int64_t i) { return i % 2100; })});
  EXPECT_EQ(error_of(Op::kConcat, {a, b}, {{"axis", int64_t{0}}}),
            "[2, 2] does not continue [2, 1] along axis 0");
  EXPECT_EQ(error_of(Op::kConcat, {a, integers({2, 1}, {1, 2})}, {{"axis", int64_t{0}}}),
            "operands have different dtypes, f32 and i64");
  EXPECT_EQ(error_of(Op::kConcat, {a, a}, {{"axis", int64_t{2}}}), "axis 2 is not in [0, 2)");
}

TEST(Tile, RepeatsTheWhole) {
  check(Op::kTile, {floats({2, 2}, {1, 2, 3, 4})}, {{"repeats", Dims{2, 2}}},
        {floats({4, 4}, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4})});
  check(Op::kTile, {tensor(DType::kBool, {2}, {1, 0})}, {{"repeats", Dims{3}}},
        {tensor(DType::kBool, {6}, {1, 0, 1, 0, 1, 0})});
  check(Op::kTile, {floats({2}, {1, 2})}, {{"repeats", Dims{0}}}, {floats({0}, {})});
  EXPECT_EQ(error_of(Op::kTile, {floats({2}, {1, 2})}, {{"repeats", Dims{-1}}}),
            "-1 repeats along axis 0");
  EXPECT_EQ(error_of(Op::kTile, {floats({2}, {1, 2})}, {{"repeats", Dims{1, 1}}}),
            "2 repeats for 1 axes");
}

TEST(Trilu, KeepsOneSideOfADiagonal) {
  auto attrs = [](int64_t diagonal, bool upper) {
    return ir::Attrs{{"diagonal", diagonal}, {"upper", upper}};
  };
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check(Op::kTrilu, {x}, attrs(0, true), {floats({2, 3}, {1, 2, 3, 0, 5, 6})});
  check(Op::kTrilu, {x}, attrs(1, true), {floats({2, 3}, {0, 2, 3, 0, 0, 6})});
  check(Op::kTrilu, {x}, attrs(-1, true), {x});
  check(Op::kTrilu, {x}, attrs(0, false), {floats({2, 3}, {1, 0, 0, 4, 5, 0})});
  check(Op::kTrilu, {x}, attrs(-1, false), {floats({2, 3}, {0, 0, 0, 4, 0, 0})});
  check(Op::kTrilu, {x}, attrs(9, false), {x});
  check(Op::kTrilu, {x}, attrs(-9, false), {floats({2, 3}, {0, 0, 0, 0, 0, 0})});
  check(Op::kTrilu, {tensor(DType::kBool, {2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1})}, attrs(0, true),
        {tensor(DType::kBool, {2, 2, 2}, {1, 1, 0, 1, 1, 1, 0, 1})});
  EXPECT_EQ(error_of(Op::kTrilu, {floats({2}, {1, 2})}, attrs(0, true)), "a triangle of [2]");
}

TEST(Range, MultipliesInsteadOfAdding) {
  const ir::Attrs attrs{{"size", Dims{4}}};
  check(Op::kRange, {integers({}, {5}), integers({}, {-2})}, attrs, {integers({4}, {5, 3, 1, -1})});
  check(Op::kRange, {floats({}, {0.5}), floats({}, {0.25})}, attrs,
        {floats({4}, {0.5, 0.75, 1, 1.25})});
  check(Op::kRange, {tensor(DType::kFloat16, {}, {1}), tensor(DType::kFloat16, {}, {2})}, attrs,
        {tensor(DType::kFloat16, {4}, {1, 3, 5, 7})});
  EXPECT_EQ(error_of(Op::kRange, {integers({}, {1}), floats({}, {1})}, attrs),
            "start and step must be numbers of one dtype, not i64 and f32");
  EXPECT_EQ(error_of(Op::kRange, {integers({1}, {1}), integers({}, {1})}, attrs),
            "start and step must be scalars, not [1] and []");
}

TEST(DimsTensor, HoldsNumbers) {
  check(Op::kDimsTensor, {}, {{"dims", Dims{3, 4}}}, {integers({2}, {3, 4})});
  check(Op::kDimsTensor, {}, {{"dims", Dims{3}}, {"scalar", true}}, {integers({}, {3})});
  EXPECT_EQ(error_of(Op::kDimsTensor, {}, {{"dims", Dims{3, 4}}, {"scalar", true}}),
            "a scalar of 2 numbers");
}

}  // namespace
}  // namespace tenon::testing
