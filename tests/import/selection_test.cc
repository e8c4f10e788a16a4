// Operators whose results have as many elements as the data says.
#include "import_onnx.h"
#include "interp/graph.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::Op;
using ops::Tensor;

/// The outputs, by reference evaluation.
std::vector<Tensor> run(const OnnxGraph& graph, const std::vector<Tensor>& inputs) {
  auto outputs = interp::run(import_model(onnx_model(graph)), inputs);
  if (!outputs) throw std::runtime_error(outputs.error().text());
  return *std::move(outputs);
}

TEST(Selection, OneSizeForEqualMasks) {
  OnnxGraph graph;
  graph.input("x", {"n", int64_t{3}})
      .initializer(onnx_tensor<float>("zero", kOnnxFloat, {}, {0}))
      .node({"Greater", {"x", "zero"}, {"a"}})
      .node({"Greater", {"x", "zero"}, {"b"}})
      .node({"NonZero", {"a"}, {"p"}})
      .node({"NonZero", {"b"}, {"q"}})
      .node({"Add", {"p", "q"}, {"y"}})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module), "i64[2, u0]");
  ASSERT_EQ(module.read_sizes.size(), 1u);
  EXPECT_EQ(module.dims.to_string(module.dims.read_symbols().at("u0")), "3*n");
  const auto outputs = run(graph, {floats({2, 3}, {-1, 1, 0, 2, -1, 3})});
  EXPECT_EQ(outputs[0].shape(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(numbers(outputs[0]), (std::vector<double>{0, 2, 2, 2, 0, 4}));
}

TEST(Selection, ASizeMayBeNone) {
  OnnxGraph graph;
  graph.input("x", {int64_t{5}});
  for (int64_t number : {0, 1, 9, 2}) {
    graph.initializer(onnx_integers("at_" + std::to_string(number), {number}));
  }
  graph.node({"NonZero", {"x"}, {"p"}})
      .node({"Slice", {"p", "at_0", "at_2", "at_1"}, {"head"}})
      .node({"Slice", {"p", "at_2", "at_9", "at_1"}, {"tail"}})
      .node({"Slice", {"p", "at_0", "at_9", "at_1"}, {"all"}})
      .output("head")
      .output("tail")
      .output("all");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module, 0), "i64[1, min(2, u0)]");
  EXPECT_EQ(output_type(module, 2), "i64[1, u0]");
  for (int count = 0; count <= 5; ++count) {
    Tensor x = counting(ir::DType::kFloat32, {5});
    for (int i = 0; i < 5; ++i) x.set_number(i, i < count ? 1 : 0);
    const auto outputs = run(graph, {x});
    EXPECT_EQ(outputs[0].shape()[1], std::min(count, 2));
    EXPECT_EQ(outputs[1].shape()[1], std::max(count - 2, 0));
    EXPECT_EQ(outputs[2].shape()[1], count);
  }
}

TEST(Selection, CompressTakesAConditionOfItsOwnLength) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}, int64_t{3}})
      .input("keep", {int64_t{2}}, kOnnxBool)
      .node({"Compress", {"x", "keep"}, {"y"}, {OnnxAttribute::integer("axis", 1)}})
      .node({"Compress", {"x", "keep"}, {"z"}})
      .output("y")
      .output("z");
  const auto outputs =
      run(graph, {counting(ir::DType::kFloat32, {2, 3}), tensor(ir::DType::kBool, {2}, {0, 1})});
  EXPECT_EQ(outputs[0].shape(), (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(numbers(outputs[0]), (std::vector<double>{1, 4}));
  EXPECT_EQ(numbers(outputs[1]), (std::vector<double>{1}));
}

TEST(Selection, UniqueInOrderOfValueAndOfAppearance) {
  const Tensor x = floats({7}, {3, 1, 1, 2, 3, 3, 0});
  for (bool sorted : {true, false}) {
    OnnxGraph graph;
    graph.input("x", {int64_t{7}})
        .node({"Unique",
               {"x"},
               {"y", "first", "inverse", "counts"},
               {OnnxAttribute::integer("sorted", sorted)}})
        .output("y")
        .output("first")
        .output("inverse")
        .output("counts");
    const auto outputs = run(graph, {x});
    using Numbers = std::vector<double>;
    EXPECT_EQ(numbers(outputs[0]), sorted ? Numbers({0, 1, 2, 3}) : Numbers({3, 1, 2, 0}));
    EXPECT_EQ(numbers(outputs[1]), sorted ? Numbers({6, 1, 3, 0}) : Numbers({0, 1, 3, 6}));
    EXPECT_EQ(numbers(outputs[2]),
              sorted ? Numbers({3, 1, 1, 2, 3, 3, 0}) : Numbers({0, 1, 1, 2, 0, 0, 3}));
    EXPECT_EQ(numbers(outputs[3]), sorted ? Numbers({1, 2, 1, 3}) : Numbers({3, 2, 1, 1}));
  }
}

TEST(Selection, UniqueAlongOneOfSeveralAxes) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}, int64_t{3}})
      .node({"Unique",
             {"x"},
             {"y", "first", "inverse", "counts"},
             {OnnxAttribute::integer("axis", -1)}})
      .output("y")
      .output("inverse")
      .output("counts");
  const auto outputs = run(graph, {floats({2, 3}, {1, 0, 1, 2, 5, 2})});
  using Numbers = std::vector<double>;
  EXPECT_EQ(outputs[0].shape(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(numbers(outputs[0]), Numbers({0, 1, 5, 2}));
  EXPECT_EQ(numbers(outputs[1]), Numbers({1, 0, 1}));
  EXPECT_EQ(numbers(outputs[2]), Numbers({1, 2}));
}

}  // namespace
}  // namespace tenon::import
