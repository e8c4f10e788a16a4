#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;

ir::Attrs axis(int64_t number) { return {{"axis", number}}; }

TEST(Gather, TakesSlicesAlongAnAxis) {
  Tensor x = counting(DType::kFloat32, {3, 2, 2});
  check(Op::kGather, {x, integers({2}, {2, -3})}, axis(0),
        {floats({2, 2, 2}, {8, 9, 10, 11, 0, 1, 2, 3})});
  check(Op::kGather, {x, integers({1, 3}, {1, 0, -1})}, axis(1),
        {floats({3, 1, 3, 2}, {2, 3, 0, 1, 2, 3, 6, 7, 4, 5, 6, 7, 10, 11, 8, 9, 10, 11})});
  check(Op::kGather, {x, tensor(DType::kInt32, {}, {1})}, axis(2),
        {floats({3, 2}, {1, 3, 5, 7, 9, 11})});
  check(Op::kGather, {tensor(DType::kBool, {3}, {1, 0, 0}), integers({2, 2}, {0, 1, 2, 0})},
        axis(0), {tensor(DType::kBool, {2, 2}, {1, 0, 0, 1})});
  check(Op::kGather, {floats({2}, {5, 6}), integers({}, {-1})}, axis(0), {floats({}, {6})});
  check(Op::kGather, {x, integers({0}, {})}, axis(1), {floats({3, 0, 2}, {})});
}

TEST(Gather, RefusesIndicesOutOfRange) {
  Tensor x = counting(DType::kFloat32, {3, 2});
  for (double index : {3.0, -4.0}) {
    Tensor indices = integers({2}, {0, index});
    EXPECT_EQ(error_of(Op::kGather, {x, indices}, axis(0)),
              fmt::format("index {} is out of range for axis 0 of 3", index));
    EXPECT_EQ(status_of(Op::kGather, {x, indices}, axis(0), floats({2, 2}, {0, 0, 0, 0})), 1);
  }
  EXPECT_EQ(error_of(Op::kGather, {x, floats({1}, {0})}, axis(0)),
            "indices must be integers, not f32");
  EXPECT_EQ(error_of(Op::kGather, {x, integers({1}, {0})}, axis(2)), "axis 2 is not in [0, 2)");
}

TEST(GatherElements, TakesOneElementPerIndex) {
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check(Op::kGatherElements, {x, integers({2, 2}, {2, 0, -1, -2})}, axis(1),
        {floats({2, 2}, {3, 1, 6, 5})});
  check(Op::kGatherElements, {x, integers({3, 2}, {0, 1, 1, 0, -1, -2})}, axis(0),
        {floats({3, 2}, {1, 5, 4, 2, 4, 2})});
  check(Op::kGatherElements, {tensor(DType::kBFloat16, {2}, {1.5, -2}), integers({3}, {1, 1, 0})},
        axis(0), {tensor(DType::kBFloat16, {3}, {-2, -2, 1.5})});
  EXPECT_EQ(error_of(Op::kGatherElements, {x, integers({1, 1}, {5})}, axis(1)),
            "index 5 is out of range for axis 1 of 3");
  EXPECT_EQ(
      status_of(Op::kGatherElements, {x, integers({1, 1}, {5})}, axis(1), floats({1, 1}, {0})), 1);
  EXPECT_EQ(error_of(Op::kGatherElements, {x, integers({3, 1}, {0, 0, 0})}, axis(1)),
            "indices [3, 1] do not fit into [2, 3]");
}

TEST(GatherNd, TakesSlicesAtTuples) {
  Tensor x = counting(DType::kFloat32, {2, 2, 2});
  auto batch = [](int64_t count) { return ir::Attrs{{"batch_dims", count}}; };
  check(Op::kGatherNd, {x, integers({2, 2}, {0, 1, 1, -2})}, batch(0),
        {floats({2, 2}, {2, 3, 4, 5})});
  check(Op::kGatherNd, {x, integers({2, 1, 3}, {0, 1, 1, 1, 0, 0})}, batch(0),
        {floats({2, 1}, {3, 4})});
  check(Op::kGatherNd, {x, integers({2, 1}, {1, 0})}, batch(1), {floats({2, 2}, {2, 3, 4, 5})});
  check(Op::kGatherNd, {x, integers({2, 3, 1}, {1, 0, 1, 0, 0, 1})}, batch(1),
        {floats({2, 3, 2}, {2, 3, 0, 1, 2, 3, 4, 5, 4, 5, 6, 7})});
  check(Op::kGatherNd, {x, integers({1, 0}, {})}, batch(0),
        {floats({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})});
  check(Op::kGatherNd, {integers({3}, {7, 8, 9}), integers({1}, {-1})}, batch(0),
        {integers({}, {9})});
  EXPECT_EQ(error_of(Op::kGatherNd, {x, integers({1, 2}, {0, 2})}, batch(0)),
            "index 2 is out of range for axis 1 of 2");
  EXPECT_EQ(
      status_of(Op::kGatherNd, {x, integers({1, 2}, {0, 2})}, batch(0), floats({1, 2}, {0, 0})), 1);
  EXPECT_EQ(error_of(Op::kGatherNd, {x, integers({1, 4}, {0, 0, 0, 0})}, batch(0)),
            "index tuples are longer than x has axes: x [2, 2, 2] and indices [1, 4]");
}

ir::Attrs scatter(int64_t along, std::string reduction) {
  return {{"axis", along}, {"reduction", std::move(reduction)}};
}

TEST(ScatterElements, ReplacesOrCombines) {
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  check(Op::kScatterElements,
        {x, integers({2, 2}, {2, 0, -2, 0}), floats({2, 2}, {10, 20, 30, 40})}, scatter(1, "none"),
        {floats({2, 3}, {20, 2, 10, 40, 30, 6})});
  check(Op::kScatterElements, {x, integers({1, 2}, {1, 0}), floats({1, 2}, {10, 20})},
        scatter(0, "none"), {floats({2, 3}, {1, 20, 3, 10, 5, 6})});
  Tensor twice = integers({1, 3}, {0, 0, 1}), updates = floats({1, 3}, {-10, 3, 20});
  auto expect = [&](std::string reduction, std::vector<double> first_row) {
    first_row.insert(first_row.end(), {4, 5, 6});
    check(Op::kScatterElements, {x, twice, updates}, scatter(1, std::move(reduction)),
          {floats({2, 3}, first_row)});
  };
  expect("none", {3, 20, 3});
  expect("add", {-6, 22, 3});
  expect("mul", {-30, 40, 3});
  expect("max", {3, 20, 3});
  expect("min", {-10, 2, 3});
}

TEST(ScatterElements, RoundsHalvesOnce) {
  // 2048 + 1 is 2048 in f16; three times 1 is not lost where sums are kept in f32.
  check(Op::kScatterElements,
        {tensor(DType::kFloat16, {1}, {2048}), integers({3}, {0, 0, 0}),
         tensor(DType::kFloat16, {3}, {1, 1, 2})},
        scatter(0, "add"), {tensor(DType::kFloat16, {1}, {2052})});
}

TEST(ScatterElements, Checks) {
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(error_of(Op::kScatterElements, {x, integers({1, 1}, {3}), floats({1, 1}, {0})},
                     scatter(1, "none")),
            "index 3 is out of range for axis 1 of 3");
  EXPECT_EQ(status_of(Op::kScatterElements, {x, integers({1, 1}, {3}), floats({1, 1}, {0})},
                      scatter(1, "none"), x),
            1);
  EXPECT_EQ(error_of(Op::kScatterElements, {x, integers({1, 2}, {0, 0}), floats({1, 1}, {0})},
                     scatter(1, "none")),
            "indices [1, 2] and updates [1, 1] do not fit into [2, 3]");
  EXPECT_EQ(error_of(Op::kScatterElements, {x, integers({1, 1}, {0}), floats({1, 1}, {0})},
                     scatter(1, "mean")),
            "unknown reduction 'mean'");
  Tensor flags = tensor(DType::kBool, {1}, {1});
  EXPECT_EQ(error_of(Op::kScatterElements, {flags, integers({1}, {0}), flags}, scatter(0, "add")),
            "reduction add needs numbers, not bool");
  EXPECT_EQ(error_of(Op::kScatterElements, {x, integers({1, 1}, {0}), integers({1, 1}, {0})},
                     scatter(1, "none")),
            "updates are i64, the tensor f32");
}

TEST(ScatterNd, ReplacesOrCombinesSlices) {
  const ir::Attrs none{{"reduction", "none"}}, add{{"reduction", "add"}};
  Tensor x = counting(DType::kFloat32, {3, 2});
  check(Op::kScatterNd, {x, integers({2, 1}, {2, -3}), floats({2, 2}, {10, 20, 30, 40})}, none,
        {floats({3, 2}, {30, 40, 2, 3, 10, 20})});
  check(Op::kScatterNd, {x, integers({3, 2}, {0, 1, 0, 1, 2, -2}), floats({3}, {10, 20, 30})}, add,
        {floats({3, 2}, {0, 31, 2, 3, 34, 5})});
  check(Op::kScatterNd, {x, integers({2, 1, 1}, {1, 1}), floats({2, 1, 2}, {1, 2, 3, 4})},
        {{"reduction", "max"}}, {floats({3, 2}, {0, 1, 3, 4, 4, 5})});
  check(Op::kScatterNd,
        {tensor(DType::kBool, {2}, {1, 1}), integers({1, 1}, {0}), tensor(DType::kBool, {1}, {0})},
        none, {tensor(DType::kBool, {2}, {0, 1})});
  check(Op::kScatterNd, {x, integers({1, 0}, {}), floats({1, 3, 2}, {9, 8, 7, 6, 5, 4})}, none,
        {floats({3, 2}, {9, 8, 7, 6, 5, 4})});
  EXPECT_EQ(error_of(Op::kScatterNd, {x, integers({1, 1}, {3}), floats({1, 2}, {0, 0})}, none),
            "index 3 is out of range for axis 0 of 3");
  EXPECT_EQ(status_of(Op::kScatterNd, {x, integers({1, 1}, {3}), floats({1, 2}, {0, 0})}, none, x),
            1);
  EXPECT_EQ(error_of(Op::kScatterNd, {x, integers({1, 1}, {0}), floats({1}, {0})}, none),
            "updates must be [1, 2]: x [3, 2], indices [1, 1] and updates [1]");
}

TEST(ScatterNd, SplitsSlotsIntoTasks) {
  Tensor x = counting(DType::kInt32, {9000, 2});
  Tensor indices = integers({3, 1}, {0, 8999, 5000}),
         updates = tensor(DType::kInt32, {3, 2}, {1, 2, 3, 4, 5, 6});
  check(Op::kScatterNd, {x, indices, updates}, {{"reduction", "add"}},
        {generate(DType::kInt32, {9000, 2}, [](int64_t i) -> double {
          const int64_t row = i / 2, column = i % 2;
          const int64_t added = row == 0 ? 1 : row == 8999 ? 3 : row == 5000 ? 5 : -1;
          return static_cast<double>(added < 0 ? i : i + added + column);
        })});
}

}  // namespace
}  // namespace tenon::testing
