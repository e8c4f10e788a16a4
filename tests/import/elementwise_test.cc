#include <cmath>

#include "import_onnx.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::DType;
using ir::Op;

std::vector<double> run_one(const OneNode& node, const std::vector<ops::Tensor>& tensors) {
  return numbers(node.run(tensors).at(0));
}

TEST(ImportElementwise, RowsOfTheTableAreImportedByName) {
  EXPECT_EQ(
      run_one({.node = {"Sub", {"a", "b"}, {"y"}}}, {floats({2, 1}, {1, 2}), floats({2}, {5, 7})}),
      (std::vector<double>{-4, -6, -3, -5}));
  OnnxGraph graph;
  graph.input("x", {int64_t{1}}).node({"Add", {"x"}, {"y"}}).output("y");
  EXPECT_EQ(import_error(onnx_model(graph)).kind, ErrorKind::kBadModel);
}

TEST(ImportElementwise, PowersThatAreProductsAreProducts) {
  const auto import_power = [](float exponent) {
    OnnxGraph graph;
    graph.input("x", {int64_t{2}})
        .initializer(onnx_floats("e", {}, {exponent}))
        .node({"Pow", {"x", "e"}, {"y"}})
        .output("y");
    return import_model(onnx_model(graph));
  };
  EXPECT_EQ(count_of(import_power(2), Op::kMul), 1);
  EXPECT_EQ(count_of(import_power(3), Op::kMul), 2);
  EXPECT_EQ(count_of(import_power(0.5F), Op::kSqrt), 1);
  EXPECT_EQ(count_of(import_power(-1), Op::kReciprocal), 1);
  EXPECT_EQ(count_of(import_power(1.5F), Op::kPow), 1);
  EXPECT_TRUE(import_power(1).graph.nodes.empty());
}

TEST(ImportElementwise, APowerHasTheTypeOfItsBase) {
  const auto result = OneNode{.node = {"Pow", {"x", "e"}, {"y"}}}.run(
      {tensor(DType::kInt32, {2}, {4, 9}), floats({2}, {0.5, 2})});
  EXPECT_EQ(result[0].dtype(), DType::kInt32);
  EXPECT_EQ(numbers(result[0]), (std::vector<double>{2, 81}));
}

TEST(ImportElementwise, ModHasTheSignOfTheDivisorOrOfTheDividend) {
  const std::vector<ops::Tensor> operands = {tensor(DType::kInt32, {2}, {-7, 7}),
                                             tensor(DType::kInt32, {2}, {3, -3})};
  EXPECT_EQ(run_one({.node = {"Mod", {"a", "b"}, {"y"}}}, operands), (std::vector<double>{2, -2}));
  EXPECT_EQ(
      run_one({.node = {"Mod", {"a", "b"}, {"y"}, {OnnxAttribute::integer("fmod", 1)}}}, operands),
      (std::vector<double>{-1, 1}));
}

TEST(ImportElementwise, VariadicOperatorsTakeOneOrMore) {
  const std::vector<ops::Tensor> three = {floats({2}, {1, 8}), floats({2}, {4, 2}),
                                          floats({1}, {4})};
  EXPECT_EQ(run_one({.node = {"Max", {"a", "b", "c"}, {"y"}}}, three), (std::vector<double>{4, 8}));
  EXPECT_EQ(run_one({.node = {"Min", {"a", "b", "c"}, {"y"}}}, three), (std::vector<double>{1, 2}));
  EXPECT_EQ(run_one({.node = {"Sum", {"a", "b", "c"}, {"y"}}}, three),
            (std::vector<double>{9, 14}));
  EXPECT_EQ(run_one({.node = {"Mean", {"a", "b", "c"}, {"y"}}}, {three[0], three[1], three[2]})[0],
            3);
  EXPECT_EQ(run_one({.node = {"Max", {"a"}, {"y"}}}, {three[0]}), (std::vector<double>{1, 8}));
}

TEST(ImportElementwise, ClipMayLackEitherBound) {
  const ops::Tensor x = floats({3}, {-5, 0, 5});
  const ops::Tensor low = floats({}, {-1});
  const ops::Tensor high = floats({}, {2});
  EXPECT_EQ(run_one({.node = {"Clip", {"x", "l", "h"}, {"y"}}}, {x, low, high}),
            (std::vector<double>{-1, 0, 2}));
  EXPECT_EQ(run_one({.node = {"Clip", {"x", "", "h"}, {"y"}}}, {x, high}),
            (std::vector<double>{-5, 0, 2}));
  EXPECT_EQ(run_one({.node = {"Clip", {"x", "l"}, {"y"}}}, {x, low}),
            (std::vector<double>{-1, 0, 5}));
  EXPECT_EQ(run_one({.node = {"Clip", {"x"}, {"y"}}}, {x}), (std::vector<double>{-5, 0, 5}));
  EXPECT_EQ(
      run_one({.node = {"Clip", {"x"}, {"y"}, {OnnxAttribute::number("max", 1)}}, .opset = 6 + 1},
              {x}),
      (std::vector<double>{-5, 0, 1}));
}

TEST(ImportElementwise, CastsNameTheirType) {
  const auto result =
      OneNode{.node = {"Cast", {"x"}, {"y"}, {OnnxAttribute::integer("to", kOnnxInt8)}}}.run(
          {floats({2}, {1.9, -1.9})});
  EXPECT_EQ(result[0].dtype(), DType::kInt8);
  EXPECT_EQ(numbers(result[0]), (std::vector<double>{1, -1}));
  OnnxGraph graph;
  graph.input("x", {int64_t{1}})
      .node({"Cast", {"x"}, {"y"}, {OnnxAttribute::integer("to", kOnnxString)}})
      .output("y");
  const Error error = import_error(onnx_model(graph));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_NE(error.text().find("string"), std::string::npos);
}

TEST(ImportElementwise, ShiftsAndInfinitiesReadTheirAttributes) {
  const std::vector<ops::Tensor> operands = {tensor(DType::kUInt8, {2}, {16, 1}),
                                             tensor(DType::kUInt8, {2}, {1, 3})};
  EXPECT_EQ(
      run_one({.node = {"BitShift", {"a", "b"}, {"y"}, {OnnxAttribute::text("direction", "LEFT")}}},
              operands),
      (std::vector<double>{32, 8}));
  EXPECT_EQ(
      run_one(
          {.node = {"BitShift", {"a", "b"}, {"y"}, {OnnxAttribute::text("direction", "RIGHT")}}},
          operands),
      (std::vector<double>{8, 0}));
  EXPECT_EQ(
      run_one({.node = {"IsInf", {"x"}, {"y"}, {OnnxAttribute::integer("detect_negative", 0)}}},
              {floats({3}, {INFINITY, -INFINITY, 1})}),
      (std::vector<double>{1, 0, 0}));
}

TEST(ImportElementwise, ActivationsHaveTheirDefaults) {
  const ops::Tensor x = floats({2}, {-2, 3});
  const auto near = [](const std::vector<double>& values, double a, double b) {
    EXPECT_NEAR(values[0], a, 1e-6);
    EXPECT_NEAR(values[1], b, 1e-6);
  };
  near(run_one({.node = {"LeakyRelu", {"x"}, {"y"}}}, {x}), -0.02, 3);
  near(run_one({.node = {"Elu", {"x"}, {"y"}}}, {x}), std::expm1(-2.0), 3);
  near(run_one({.node = {"Selu", {"x"}, {"y"}}}, {x}),
       1.0507009873554805 * 1.6732632423543772 * std::expm1(-2.0), 3 * 1.0507009873554805);
  near(run_one({.node = {"HardSigmoid", {"x"}, {"y"}}}, {x}), 0.1, 1);
  near(run_one({.node = {"ThresholdedRelu", {"x"}, {"y"}}}, {x}), 0, 3);
  near(run_one({.node = {"Gelu", {"x"}, {"y"}}, .opset = 20}, {x}), -0.04550026, 2.99595031);
  near(run_one({.node = {"Gelu", {"x"}, {"y"}, {OnnxAttribute::text("approximate", "tanh")}},
                .opset = 20},
               {x}),
       -0.04540231, 2.99636261);
  near(run_one({.node = {"PRelu", {"x", "s"}, {"y"}}}, {x, floats({1}, {0.5})}), -1, 3);
}

TEST(ImportElementwise, SoftmaxMergesAxesBeforeVersion13) {
  const ops::Tensor x = floats({1, 2, 2}, {0, 0, 0, 0});
  EXPECT_EQ(run_one({.node = {"Softmax", {"x"}, {"y"}}, .opset = 12}, {x}),
            std::vector<double>(4, 0.25));
  EXPECT_EQ(run_one({.node = {"Softmax", {"x"}, {"y"}}, .opset = 13}, {x}),
            std::vector<double>(4, 0.5));
  EXPECT_EQ(run_one({.node = {"Hardmax", {"x"}, {"y"}, {OnnxAttribute::integer("axis", -1)}}},
                    {floats({2, 3}, {1, 3, 3, 2, 0, 1})}),
            (std::vector<double>{0, 1, 0, 1, 0, 0}));
}

}  // namespace
}  // namespace tenon::import
