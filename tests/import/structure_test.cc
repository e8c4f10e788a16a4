// Operators that change shapes, move elements, index and reduce.
#include <cmath>

#include "import_onnx.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::DType;
using ir::Op;

using Shape = std::vector<int64_t>;

const std::vector<double> kSix = {0, 1, 2, 3, 4, 5};

std::vector<double> values_of(const OneNode& node, const std::vector<ops::Tensor>& tensors) {
  return numbers(node.run(tensors).at(0));
}

TEST(ImportStructure, ReshapeKeepsZerosAndInfersOne) {
  const ops::Tensor x = counting(DType::kFloat32, {2, 3});
  const OneNode node{.node = {"Reshape", {"x", "t"}, {"y"}}, .constants = {"t"}};
  EXPECT_EQ(node.run({x, integers({3}, {0, -1, 1})})[0].shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(node.run({x, integers({1}, {-1})})[0].shape(), Shape{6});
}

TEST(ImportStructure, ReshapeErrorsAreTheModels) {
  const auto kind_of = [](const std::vector<int64_t>& target) {
    OnnxGraph graph;
    graph.input("x", {int64_t{2}, int64_t{3}})
        .initializer(onnx_integers("t", target))
        .node({"Reshape", {"x", "t"}, {"y"}})
        .output("y");
    return import_error(onnx_model(graph)).kind;
  };
  EXPECT_EQ(kind_of({-1, -1}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of({1, 2, 0}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of({4, -1}), ErrorKind::kBadShape);
  EXPECT_EQ(kind_of({5}), ErrorKind::kBadShape);
}

TEST(ImportStructure, SqueezeAndUnsqueezeTakeAxesFromWhereTheirVersionHasThem) {
  const ops::Tensor x = counting(DType::kFloat32, {1, 2, 1});
  EXPECT_EQ((OneNode{.node = {"Squeeze", {"x"}, {"y"}}}.run({x})[0].shape()), Shape{2});
  EXPECT_EQ((OneNode{.node = {"Squeeze", {"x"}, {"y"}, {OnnxAttribute::integers("axes", {2})}},
                     .opset = 11}
                 .run({x})[0]
                 .shape()),
            (Shape{1, 2}));
  const OneNode unsqueeze{.node = {"Unsqueeze", {"x", "a"}, {"y"}}, .constants = {"a"}};
  EXPECT_EQ(unsqueeze.run({x, integers({2}, {-1, 0})})[0].shape(), (Shape{1, 1, 2, 1, 1}));
}

TEST(ImportStructure, FlattenMayHaveAnEmptySide) {
  const auto shape_of = [](int64_t axis) {
    return OneNode{.node = {"Flatten", {"x"}, {"y"}, {OnnxAttribute::integer("axis", axis)}}}
        .run({counting(DType::kFloat32, {2, 3, 4})})[0]
        .shape();
  };
  EXPECT_EQ(shape_of(0), (Shape{1, 24}));
  EXPECT_EQ(shape_of(-1), (Shape{6, 4}));
  EXPECT_EQ(shape_of(3), (Shape{24, 1}));
}

TEST(ImportStructure, ExpandBroadcastsBothWays) {
  const OneNode node{.node = {"Expand", {"x", "d"}, {"y"}}, .constants = {"d"}};
  const auto result = node.run({counting(DType::kFloat32, {3, 1}), integers({3}, {2, 1, 2})});
  EXPECT_EQ(result[0].shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(numbers(result[0]), (std::vector<double>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
}

TEST(ImportStructure, SplitHasSizesOrEqualParts) {
  const ops::Tensor x = counting(DType::kFloat32, {5});
  const auto equal =
      OneNode{.node = {"Split", {"x"}, {"a", "b"}, {OnnxAttribute::integer("num_outputs", 2)}}}.run(
          {x});
  EXPECT_EQ(equal[0].shape(), Shape{3});
  EXPECT_EQ(numbers(equal[1]), (std::vector<double>{3, 4}));
  const auto sized = OneNode{.node = {"Split", {"x", "s"}, {"a", "b"}}, .constants = {"s"}}.run(
      {x, integers({2}, {1, 4})});
  EXPECT_EQ(numbers(sized[1]), (std::vector<double>{1, 2, 3, 4}));
  const auto old =
      OneNode{.node = {"Split", {"x"}, {"a", "b"}, {OnnxAttribute::integers("split", {2, 3})}},
              .opset = 11}
          .run({x});
  EXPECT_EQ(numbers(old[0]), (std::vector<double>{0, 1}));
}

TEST(ImportStructure, SliceFollowsNumpy) {
  const ops::Tensor x = counting(DType::kFloat32, {6});
  const auto slice = [&](double start, double end, double step) {
    return values_of(
        {.node = {"Slice", {"x", "s", "e", "a", "t"}, {"y"}}, .constants = {"s", "e", "a", "t"}},
        {x, integers({1}, {start}), integers({1}, {end}), integers({1}, {0}),
         integers({1}, {step})});
  };
  EXPECT_EQ(slice(1, 100, 2), (std::vector<double>{1, 3, 5}));
  EXPECT_EQ(slice(-2, 6, 1), (std::vector<double>{4, 5}));
  EXPECT_EQ(slice(4, -100, -2), (std::vector<double>{4, 2, 0}));
  EXPECT_EQ(slice(100, 0, -3), (std::vector<double>{5, 2}));
  EXPECT_EQ(slice(3, 2, 1), std::vector<double>{});
  EXPECT_EQ(
      values_of(
          {.node = {"Slice",
                    {"x"},
                    {"y"},
                    {OnnxAttribute::integers("starts", {2}), OnnxAttribute::integers("ends", {4})}},
           .opset = 9},
          {x}),
      (std::vector<double>{2, 3}));
}

TEST(ImportStructure, PadGrowsAndCrops) {
  const OneNode node{.node = {"Pad", {"x", "p", "v"}, {"y"}}, .constants = {"p"}};
  EXPECT_EQ(
      values_of(node, {counting(DType::kFloat32, {3}), integers({2}, {1, -1}), floats({}, {9})}),
      (std::vector<double>{9, 0, 1}));
  const OneNode reflect{
      .node = {"Pad", {"x", "p"}, {"y"}, {OnnxAttribute::text("mode", "reflect")}},
      .constants = {"p"}};
  EXPECT_EQ(values_of(reflect, {counting(DType::kFloat32, {3}), integers({2}, {2, 0})}),
            (std::vector<double>{2, 1, 0, 1, 2}));
  const OneNode axes{.node = {"Pad", {"x", "p", "", "a"}, {"y"}}, .constants = {"p", "a"}};
  EXPECT_EQ(
      axes.run({counting(DType::kFloat32, {2, 3}), integers({2}, {0, 1}), integers({1}, {-1})})[0]
          .shape(),
      (Shape{2, 4}));
}

TEST(ImportStructure, TheCentreIsKept) {
  const OneNode node{.node = {"CenterCropPad", {"x", "s"}, {"y"}}, .constants = {"s"}};
  EXPECT_EQ(values_of(node, {counting(DType::kFloat32, {5}), integers({1}, {2})}),
            (std::vector<double>{1, 2}));
  EXPECT_EQ(values_of(node, {counting(DType::kFloat32, {2}), integers({1}, {5})}),
            (std::vector<double>{0, 0, 1, 0, 0}));
}

TEST(ImportStructure, BlocksMoveBetweenDepthAndSpace) {
  const ops::Tensor x = counting(DType::kFloat32, {1, 4, 1, 2});
  const std::string size = OnnxAttribute::integer("blocksize", 2);
  EXPECT_EQ(values_of({.node = {"DepthToSpace", {"x"}, {"y"}, {size}}}, {x}),
            (std::vector<double>{0, 2, 1, 3, 4, 6, 5, 7}));
  const ops::Tensor deep = counting(DType::kFloat32, {1, 8, 1, 1});
  EXPECT_EQ(values_of({.node = {"DepthToSpace", {"x"}, {"y"}, {size}}}, {deep}),
            (std::vector<double>{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT_EQ(
      values_of(
          {.node = {"DepthToSpace", {"x"}, {"y"}, {size, OnnxAttribute::text("mode", "CRD")}}},
          {deep}),
      (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(values_of({.node = {"SpaceToDepth", {"x"}, {"y"}, {size}}},
                      {counting(DType::kFloat32, {1, 1, 2, 4})}),
            (std::vector<double>{0, 2, 1, 3, 4, 6, 5, 7}));
}

TEST(ImportStructure, SequencesAreReversedUpToTheirLengths) {
  EXPECT_EQ(values_of({.node = {"ReverseSequence", {"x", "l"}, {"y"}}},
                      {counting(DType::kFloat32, {3, 2}), integers({2}, {3, 2})}),
            (std::vector<double>{4, 3, 2, 1, 0, 5}));
}

TEST(ImportStructure, OneHotCountsFromBothEnds) {
  EXPECT_EQ(values_of({.node = {"OneHot", {"i", "d", "v"}, {"y"}}, .constants = {"d"}},
                      {integers({3}, {1, -1, 5}), integers({}, {3}), floats({2}, {2, 7})}),
            (std::vector<double>{2, 7, 2, 2, 2, 7, 2, 2, 2}));
}

TEST(ImportStructure, TopKGivesValuesAndIndices) {
  const auto results = OneNode{.node = {"TopK", {"x", "k"}, {"v", "i"}}, .constants = {"k"}}.run(
      {floats({4}, {1, 4, 4, 2}), integers({1}, {3})});
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{4, 4, 2}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{1, 2, 3}));
}

TEST(ImportStructure, PlacesOfConstantsAreKnown) {
  const OneNode node{.node = {"NonZero", {"x"}, {"y"}}, .constants = {"x"}};
  const auto result = node.run({tensor(DType::kBool, {2, 3}, {0, 1, 0, 1, 0, 1})});
  EXPECT_EQ(result[0].shape(), (Shape{2, 3}));
  EXPECT_EQ(numbers(result[0]), (std::vector<double>{0, 1, 1, 1, 0, 2}));
  EXPECT_EQ(values_of({.node = {"Compress", {"x", "c"}, {"y"}}, .constants = {"c"}},
                      {counting(DType::kFloat32, {2, 2}), tensor(DType::kBool, {3}, {0, 1, 1})}),
            (std::vector<double>{1, 2}));
}

TEST(ImportStructure, ReductionsTakeAxesAsTheirVersionSays) {
  const ops::Tensor x = floats({2, 3}, kSix);
  EXPECT_EQ(values_of({.node = {"ReduceMax", {"x"}, {"y"}, {OnnxAttribute::integers("axes", {-1})}},
                       .opset = 13},
                      {x}),
            (std::vector<double>{2, 5}));
  EXPECT_EQ(values_of({.node = {"ReduceSum", {"x", "a"}, {"y"}}, .opset = 13, .constants = {"a"}},
                      {x, integers({1}, {0})}),
            (std::vector<double>{3, 5, 7}));
  const auto total =
      OneNode{.node = {"ReduceMean", {"x"}, {"y"}, {OnnxAttribute::integer("keepdims", 0)}}}.run(
          {x});
  EXPECT_EQ(total[0].rank(), 0);
  EXPECT_EQ(numbers(total[0]), std::vector<double>{2.5});
  const std::string noop = OnnxAttribute::integer("noop_with_empty_axes", 1);
  EXPECT_EQ(values_of({.node = {"ReduceSum", {"x"}, {"y"}, {noop}}}, {x}), kSix);
  EXPECT_EQ(values_of({.node = {"ReduceSumSquare", {"x"}, {"y"}, {noop}}}, {x}),
            (std::vector<double>{0, 1, 4, 9, 16, 25}));
}

TEST(ImportStructure, ComposedReductions) {
  const ops::Tensor x = floats({2}, {3, -4});
  EXPECT_EQ(values_of({.node = {"ReduceL2", {"x"}, {"y"}}}, {x}), std::vector<double>{5});
  EXPECT_EQ(values_of({.node = {"ReduceL1", {"x"}, {"y"}}}, {x}), std::vector<double>{7});
  EXPECT_NEAR(values_of({.node = {"ReduceLogSum", {"x"}, {"y"}}}, {floats({2}, {1, 2})})[0],
              std::log(3.0), 1e-6);
  EXPECT_NEAR(values_of({.node = {"ReduceLogSumExp", {"x"}, {"y"}}}, {floats({2}, {500, 500})})[0],
              500 + std::log(2.0), 1e-3)
      << "the powers alone would overflow";
  EXPECT_EQ(
      values_of({.node = {"LpNormalization", {"x"}, {"y"}}}, {floats({2, 2}, {3, 4, 0, 0})})[3], 0);
}

TEST(ImportStructure, ArgumentsAndSums) {
  const ops::Tensor x = floats({1, 3}, {5, 1, 5});
  const std::string axis = OnnxAttribute::integer("axis", 1);
  EXPECT_EQ(values_of({.node = {"ArgMax", {"x"}, {"y"}, {axis}}}, {x}), std::vector<double>{0});
  EXPECT_EQ(values_of({.node = {"ArgMax",
                                {"x"},
                                {"y"},
                                {axis, OnnxAttribute::integer("select_last_index", 1)}}},
                      {x}),
            std::vector<double>{2});
  EXPECT_EQ(values_of({.node = {"ArgMin", {"x"}, {"y"}, {axis}}}, {x}), std::vector<double>{1});
  EXPECT_EQ(
      values_of({.node = {"CumSum", {"x", "a"}, {"y"}, {OnnxAttribute::integer("exclusive", 1)}},
                 .constants = {"a"}},
                {x, integers({}, {-1})}),
      (std::vector<double>{0, 5, 6}));
}

}  // namespace
}  // namespace tenon::import
