// Products, convolutions, pools, normalisation, recurrent layers, attention, resizing.
#include <cmath>

#include "import_onnx.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::DType;
using ir::Op;

using Shape = std::vector<int64_t>;

std::vector<double> values_of(const OneNode& node, const std::vector<ops::Tensor>& tensors) {
  return numbers(node.run(tensors).at(0));
}

ops::Tensor ones(Shape shape) {
  ops::Tensor tensor(DType::kFloat32, std::move(shape));
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_number(i, 1);
  return tensor;
}

TEST(ImportNetwork, VectorsAreRowsOrColumns) {
  const OneNode node{.node = {"MatMul", {"a", "b"}, {"y"}}};
  const ops::Tensor vector = floats({2}, {1, 2});
  const ops::Tensor matrix = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(values_of(node, {vector, vector}), std::vector<double>{5});
  EXPECT_EQ(node.run({vector, vector})[0].rank(), 0);
  EXPECT_EQ(values_of(node, {vector, matrix}), (std::vector<double>{7, 10}));
  EXPECT_EQ(values_of(node, {matrix, vector}), (std::vector<double>{5, 11}));
  EXPECT_EQ(node.run({ones({3, 2, 2}), vector})[0].shape(), (Shape{3, 2}));
}

TEST(ImportNetwork, GemmScalesTransposesAndAdds) {
  EXPECT_EQ(
      values_of(
          {.node = {"Gemm",
                    {"a", "b", "c"},
                    {"y"},
                    {OnnxAttribute::integer("transA", 1), OnnxAttribute::integer("transB", 1),
                     OnnxAttribute::number("alpha", 2), OnnxAttribute::number("beta", 0.5F)}}},
          {floats({2, 1}, {1, 2}), floats({2, 2}, {1, 2, 3, 4}), floats({2}, {2, 4})}),
      (std::vector<double>{11, 24}));
}

TEST(ImportNetwork, EinsumIsGeneral) {
  const auto einsum = [](const std::string& equation, const std::vector<ops::Tensor>& tensors) {
    OnnxNames names = {"a", "b", "c"};
    names.resize(tensors.size());
    return OneNode{.node = {"Einsum", names, {"y"}, {OnnxAttribute::text("equation", equation)}}}
        .run(tensors)[0];
  };
  const ops::Tensor a = floats({2, 3}, {0, 1, 2, 3, 4, 5});
  const ops::Tensor b = floats({3, 2}, {1, 0, 0, 1, 1, 1});
  EXPECT_EQ(numbers(einsum("ij,jk->ik", {a, b})), (std::vector<double>{2, 3, 8, 9}));
  EXPECT_EQ(numbers(einsum("ij,jk", {a, b})), (std::vector<double>{2, 3, 8, 9}));
  EXPECT_EQ(numbers(einsum("ij->ji", {a})), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(numbers(einsum("ij->", {a})), std::vector<double>{15});
  EXPECT_EQ(numbers(einsum("ij->j", {a})), (std::vector<double>{3, 5, 7}));
  EXPECT_EQ(numbers(einsum("ii->i", {floats({2, 2}, {1, 2, 3, 4})})), (std::vector<double>{1, 4}));
  EXPECT_EQ(numbers(einsum("ii", {floats({2, 2}, {1, 2, 3, 4})})), std::vector<double>{5});
  EXPECT_EQ(numbers(einsum("i,j->ji", {floats({2}, {1, 2}), floats({2}, {3, 4})})),
            (std::vector<double>{3, 6, 4, 8}));
  EXPECT_EQ(einsum("...ij,...jk->...ik", {ones({4, 2, 3}), ones({3, 5})}).shape(),
            (Shape{4, 2, 5}));
  EXPECT_EQ(numbers(einsum("bhqd,bhkd->bhqk", {ones({1, 2, 1, 3}), ones({1, 2, 1, 3})})),
            (std::vector<double>{3, 3}));
  EXPECT_EQ(numbers(einsum("ij,jk,k->i", {a, b, floats({2}, {1, 10})})),
            (std::vector<double>{32, 98}));
}

TEST(ImportNetwork, EinsumErrorsAreTheModels) {
  for (const char* equation : {"ij,jk->ik", "i->i", "ij->k", "ij->ii", "i?->i", ""}) {
    OnnxGraph graph;
    graph.input("x", {int64_t{2}, int64_t{2}})
        .node({"Einsum", {"x"}, {"y"}, {OnnxAttribute::text("equation", equation)}})
        .output("y");
    EXPECT_EQ(import_error(onnx_model(graph)).kind, ErrorKind::kBadModel) << equation;
  }
}

TEST(ImportNetwork, SamePaddingIsAtTheEndOrTheBeginning) {
  const ops::Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const ops::Tensor w = floats({1, 1, 2}, {1, 10});
  const auto conv = [&](const std::string& pad) {
    return values_of({.node = {"Conv", {"x", "w"}, {"y"}, {OnnxAttribute::text("auto_pad", pad)}}},
                     {x, w});
  };
  EXPECT_EQ(conv("VALID"), (std::vector<double>{21, 32, 43}));
  EXPECT_EQ(conv("SAME_UPPER"), (std::vector<double>{21, 32, 43, 4}));
  EXPECT_EQ(conv("SAME_LOWER"), (std::vector<double>{10, 21, 32, 43}));
}

TEST(ImportNetwork, ConvolutionsHaveBiasStridesAndGroups) {
  EXPECT_EQ(values_of({.node = {"Conv",
                                {"x", "w", "b"},
                                {"y"},
                                {OnnxAttribute::integer("group", 2),
                                 OnnxAttribute::integers("strides", {2}),
                                 OnnxAttribute::integers("pads", {1, 0})}}},
                      {floats({1, 2, 3}, {1, 2, 3, 4, 5, 6}), floats({2, 1, 2}, {1, 1, 1, -1}),
                       floats({2}, {0, 100})}),
            (std::vector<double>{1, 5, 96, 99}));
}

TEST(ImportNetwork, ATransposedConvolutionReachesItsOutputShape) {
  const ops::Tensor x = floats({1, 1, 2}, {1, 2});
  const ops::Tensor w = floats({1, 1, 2}, {1, 10});
  const auto shape_of = [&](std::vector<std::string> attributes) {
    attributes.push_back(OnnxAttribute::integers("strides", {2}));
    return OneNode{.node = {"ConvTranspose", {"x", "w"}, {"y"}, attributes}}.run({x, w})[0];
  };
  EXPECT_EQ(numbers(shape_of({})), (std::vector<double>{1, 10, 2, 20}));
  EXPECT_EQ(numbers(shape_of({OnnxAttribute::integers("output_shape", {6})})),
            (std::vector<double>{1, 10, 2, 20, 0, 0}));
  EXPECT_EQ(numbers(shape_of({OnnxAttribute::integers("output_shape", {3})})),
            (std::vector<double>{10, 2, 20}))
      << "the odd pad is at the start";
  EXPECT_EQ(numbers(shape_of({OnnxAttribute::integers("output_shape", {3}),
                              OnnxAttribute::text("auto_pad", "SAME_UPPER")})),
            (std::vector<double>{1, 10, 2}));
}

TEST(ImportNetwork, PoolsCountTheirPaddingOrNot) {
  const ops::Tensor x = floats({1, 1, 4}, {1, 2, 3, 6});
  const std::string kernel = OnnxAttribute::integers("kernel_shape", {3});
  const std::string pads = OnnxAttribute::integers("pads", {1, 1});
  EXPECT_EQ(values_of({.node = {"AveragePool", {"x"}, {"y"}, {kernel, pads}}}, {x}),
            (std::vector<double>{1.5, 2, 11.0F / 3, 4.5}));
  EXPECT_EQ(values_of({.node = {"AveragePool",
                                {"x"},
                                {"y"},
                                {kernel, pads, OnnxAttribute::integer("count_include_pad", 1)}}},
                      {x})[3],
            3);
  EXPECT_EQ(values_of({.node = {"MaxPool",
                                {"x"},
                                {"y"},
                                {kernel, OnnxAttribute::integers("strides", {2}),
                                 OnnxAttribute::integer("ceil_mode", 1)}}},
                      {x}),
            (std::vector<double>{3, 6}));
  EXPECT_EQ(values_of({.node = {"GlobalAveragePool", {"x"}, {"y"}}}, {x}), std::vector<double>{3});
  EXPECT_EQ(values_of({.node = {"GlobalMaxPool", {"x"}, {"y"}}}, {x}), std::vector<double>{6});
  EXPECT_NEAR(
      values_of({.node = {"LpPool", {"x"}, {"y"}, {OnnxAttribute::integers("kernel_shape", {2})}}},
                {floats({1, 1, 2}, {3, -4})})[0],
      5, 1e-5);
}

TEST(ImportNetwork, LayerNormalizationBroadcastsItsWeights) {
  const OneNode node{.node = {"LayerNormalization",
                              {"x", "s", "b"},
                              {"y", "m", "d"},
                              {OnnxAttribute::number("epsilon", 0)}}};
  const auto results =
      node.run({floats({2, 2}, {1, 3, 5, 9}), floats({1}, {2}), floats({2}, {0, 1})});
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{-2, 3, -2, 3}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{2, 7}));
  EXPECT_EQ(numbers(results[2]), (std::vector<double>{1, 0.5}));
}

TEST(ImportNetwork, GroupNormalizationHasWeightsPerGroupOrPerChannel) {
  const ops::Tensor x = floats({1, 4, 1}, {1, 3, 5, 9});
  const std::vector<std::string> attributes = {OnnxAttribute::integer("num_groups", 2),
                                               OnnxAttribute::number("epsilon", 0)};
  const OnnxNode node{"GroupNormalization", {"x", "s", "b"}, {"y"}, attributes};
  EXPECT_EQ(values_of({.node = node, .opset = 18}, {x, floats({2}, {1, 10}), floats({2}, {0, 1})}),
            (std::vector<double>{-1, 1, -9, 11}));
  EXPECT_EQ(values_of({.node = node, .opset = 21},
                      {x, floats({4}, {1, 2, 3, 4}), floats({4}, {0, 0, 0, 1})}),
            (std::vector<double>{-1, 2, -3, 5}));
  EXPECT_EQ(values_of({.node = {"InstanceNormalization",
                                {"x", "s", "b"},
                                {"y"},
                                {OnnxAttribute::number("epsilon", 0)}}},
                      {floats({1, 1, 2}, {1, 3}), floats({1}, {2}), floats({1}, {5})}),
            (std::vector<double>{3, 7}));
}

TEST(ImportNetwork, BatchNormalizationIsThatOfInference) {
  EXPECT_EQ(values_of({.node = {"BatchNormalization",
                                {"x", "s", "b", "m", "v"},
                                {"y"},
                                {OnnxAttribute::number("epsilon", 0)}}},
                      {floats({1, 2}, {3, 10}), floats({2}, {2, 1}), floats({2}, {1, 0}),
                       floats({2}, {1, 6}), floats({2}, {4, 16})}),
            (std::vector<double>{3, 1}));
}

/// An RNN with hidden size 1 whose state is the sum of the inputs so far (Relu of what is
/// positive).
OneNode summing_rnn(std::vector<std::string> attributes, OnnxNames outputs = {"y", "h"}) {
  attributes.push_back(OnnxAttribute::integer("hidden_size", 1));
  protozero::pbf_writer writer(attributes.emplace_back());
  writer.add_string(1, "activations");
  writer.add_string(9, "Relu");
  writer.add_string(9, "Relu");
  writer.add_enum(20, 8);
  return {.node = {"RNN", {"x", "w", "r"}, std::move(outputs), std::move(attributes)}};
}

TEST(ImportNetwork, ABidirectionalLayerIsTwo) {
  const auto results = summing_rnn({OnnxAttribute::text("direction", "bidirectional")})
                           .run({floats({3, 1, 1}, {1, 2, 4}), ones({2, 1, 1}), ones({2, 1, 1})});
  EXPECT_EQ(results[0].shape(), (Shape{3, 2, 1, 1}));
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{1, 7, 3, 6, 7, 4}));
  EXPECT_EQ(results[1].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{7, 7}));
}

TEST(ImportNetwork, ALayerMayBeBatchFirst) {
  const auto results =
      summing_rnn({OnnxAttribute::integer("layout", 1)})
          .run({floats({2, 3, 1}, {1, 2, 4, 10, 20, 40}), ones({1, 1, 1}), ones({1, 1, 1})});
  EXPECT_EQ(results[0].shape(), (Shape{2, 3, 1, 1}));
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{1, 3, 7, 10, 30, 70}));
  EXPECT_EQ(results[1].shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{7, 70}));
}

TEST(ImportNetwork, GatesAndStatesOfLstmAndGru) {
  // With zero weights every gate is one half (or 0 for tanh), so only the states matter.
  const ops::Tensor x = ones({1, 1, 1});
  const ops::Tensor w = floats({1, 4, 1}, {0, 0, 0, 0});
  const auto lstm =
      OneNode{.node = {"LSTM", {"x", "w", "r", "", "", "h", "c"}, {"y", "yh", "yc"}}}.run(
          {x, w, w, ones({1, 1, 1}), floats({1, 1, 1}, {4})});
  EXPECT_NEAR(numbers(lstm[2])[0], 2, 1e-6) << "the forget gate halves the cell";
  EXPECT_NEAR(numbers(lstm[0])[0], 0.5 * std::tanh(2.0), 1e-6);
  const ops::Tensor g = floats({1, 3, 1}, {0, 0, 0});
  const auto gru = OneNode{.node = {"GRU", {"x", "w", "r", "", "", "h"}, {"y", ""}}}.run(
      {x, g, g, floats({1, 1, 1}, {4})});
  EXPECT_NEAR(numbers(gru[0])[0], 2, 1e-6);
}

TEST(ImportNetwork, LengthsOfSequencesMustBeTheWholeSequence) {
  const auto kind_of = [](std::vector<int32_t> lengths) {
    OnnxGraph graph;
    graph.input("x", {int64_t{3}, int64_t{2}, int64_t{1}})
        .initializer(onnx_floats("w", {1, 1, 1}, {1}))
        .initializer(onnx_tensor<int32_t>("l", kOnnxInt32, {2}, lengths))
        .node({"RNN", {"x", "w", "w", "", "l"}, {"y"}})
        .output("y");
    const auto module = try_import(onnx_model(graph));
    return module ? ErrorKind::kRuntime : module.error().kind;
  };
  EXPECT_EQ(kind_of({3, 3}), ErrorKind::kRuntime);
  EXPECT_EQ(kind_of({3, 2}), ErrorKind::kUnsupported);
}

TEST(ImportNetwork, AttentionSplitsHeadsAndMasks) {
  // One query, two keys that are equal: the mean of the values, unless a mask hides one.
  const ops::Tensor q = ones({1, 1, 2});
  const ops::Tensor k = ones({1, 2, 2});
  const ops::Tensor v = floats({1, 2, 2}, {1, 2, 3, 4});
  const std::vector<std::string> heads = {OnnxAttribute::integer("q_num_heads", 2),
                                          OnnxAttribute::integer("kv_num_heads", 2)};
  EXPECT_EQ(
      values_of({.node = {"Attention", {"q", "k", "v"}, {"y"}, heads}, .opset = 23}, {q, k, v}),
      (std::vector<double>{2, 3}));
  EXPECT_EQ(values_of({.node = {"Attention", {"q", "k", "v", "m"}, {"y"}, heads}, .opset = 23},
                      {q, k, v, tensor(DType::kBool, {1, 2}, {1, 0})}),
            (std::vector<double>{1, 2}));
  std::vector<std::string> causal = heads;
  causal.push_back(OnnxAttribute::integer("is_causal", 1));
  EXPECT_EQ(
      values_of({.node = {"Attention", {"q", "k", "v"}, {"y"}, causal}, .opset = 23}, {q, k, v}),
      (std::vector<double>{1, 2}))
      << "without a past the first query sees the first key";
  std::vector<std::string> capped = heads;
  capped.push_back(OnnxAttribute::number("softcap", 5));
  EXPECT_NEAR(
      values_of({.node = {"Attention", {"q", "k", "v"}, {"y"}, capped}, .opset = 23}, {q, k, v})[1],
      3, 1e-6);
}

TEST(ImportNetwork, AttentionAppendsToItsPast) {
  const auto results = OneNode{.node = {"Attention",
                                        {"q", "k", "v", "", "pk", "pv"},
                                        {"y", "nk", "nv"},
                                        {OnnxAttribute::integer("is_causal", 1)}},
                               .opset = 23}
                           .run({ones({1, 1, 1, 1}), ones({1, 1, 1, 1}), floats({1, 1, 1, 1}, {6}),
                                 ones({1, 1, 2, 1}), floats({1, 1, 2, 1}, {0, 3})});
  EXPECT_EQ(numbers(results[0]), std::vector<double>{3});
  EXPECT_EQ(results[1].shape(), (Shape{1, 1, 3, 1}));
  EXPECT_EQ(numbers(results[2]), (std::vector<double>{0, 3, 6}));
}

TEST(ImportNetwork, RotaryEmbeddingTurnsPairs) {
  const ops::Tensor x = floats({1, 1, 1, 4}, {1, 2, 3, 4});
  const ops::Tensor cosine = floats({1, 1, 2}, {0, 1});
  const ops::Tensor sine = floats({1, 1, 2}, {1, 0});
  EXPECT_EQ(values_of({.node = {"RotaryEmbedding", {"x", "c", "s"}, {"y"}}, .opset = 23},
                      {x, cosine, sine}),
            (std::vector<double>{-3, 2, 1, 4}));
  EXPECT_EQ(values_of({.node = {"RotaryEmbedding",
                                {"x", "c", "s"},
                                {"y"},
                                {OnnxAttribute::integer("interleaved", 1)}},
                       .opset = 23},
                      {x, cosine, sine}),
            (std::vector<double>{-2, 1, 3, 4}));
}

TEST(ImportNetwork, ResizeTakesScalesOrSizes) {
  const ops::Tensor x = floats({1, 1, 1, 2}, {1, 3});
  const std::string asymmetric =
      OnnxAttribute::text("coordinate_transformation_mode", "asymmetric");
  EXPECT_EQ(values_of({.node = {"Resize", {"x", "", "s"}, {"y"}, {asymmetric}}, .constants = {"s"}},
                      {x, floats({4}, {1, 1, 1, 2})}),
            (std::vector<double>{1, 1, 3, 3}));
  EXPECT_EQ(
      values_of(
          {.node = {"Resize", {"x", "", "", "s"}, {"y"}, {OnnxAttribute::text("mode", "linear")}},
           .constants = {"s"}},
          {x, integers({4}, {1, 1, 1, 4})}),
      (std::vector<double>{1, 1.5, 2.5, 3}));
  EXPECT_EQ(values_of({.node = {"Upsample", {"x", "s"}, {"y"}}, .opset = 9, .constants = {"s"}},
                      {x, floats({4}, {1, 1, 1, 2})}),
            (std::vector<double>{1, 1, 3, 3}));
}

TEST(ImportNetwork, QuantisationRoundsToEvenAndSaturates) {
  const OneNode quantize{.node = {"QuantizeLinear", {"x", "s", "z"}, {"y"}}};
  EXPECT_EQ(values_of(quantize, {floats({4}, {1, 3, -300, 900}), floats({}, {2}),
                                 tensor(DType::kUInt8, {}, {128})}),
            (std::vector<double>{128, 130, 0, 255}));
  const OneNode dequantize{
      .node = {"DequantizeLinear", {"x", "s", "z"}, {"y"}, {OnnxAttribute::integer("axis", 0)}}};
  EXPECT_EQ(values_of(dequantize, {tensor(DType::kInt8, {2, 1}, {-128, 4}), floats({2}, {0.5, 2}),
                                   tensor(DType::kInt8, {2}, {0, 1})}),
            (std::vector<double>{-64, 6}));
  const auto dynamic = OneNode{.node = {"DynamicQuantizeLinear", {"x"}, {"y", "s", "z"}}}.run(
      {floats({2}, {-1, 254})});
  EXPECT_EQ(numbers(dynamic[0]), (std::vector<double>{0, 255}));
  EXPECT_EQ(numbers(dynamic[1]), std::vector<double>{1});
  EXPECT_EQ(numbers(dynamic[2]), std::vector<double>{1});
}

TEST(ImportNetwork, ProductsOfIntegersTakeOffZeroPoints) {
  EXPECT_EQ(
      values_of({.node = {"MatMulInteger", {"a", "b", "az", "bz"}, {"y"}}},
                {tensor(DType::kUInt8, {1, 2}, {11, 12}), tensor(DType::kInt8, {2, 1}, {3, -4}),
                 tensor(DType::kUInt8, {}, {10}), tensor(DType::kInt8, {}, {1})}),
      std::vector<double>{-8});
}

TEST(ImportNetwork, OnnxRuntimesOwnOperators) {
  const ops::Tensor x = floats({1, 2}, {1, 3});
  const OnnxNode skip{"SkipLayerNormalization",
                      {"x", "k", "s"},
                      {"y", "", "", "t"},
                      {OnnxAttribute::number("epsilon", 0)},
                      "",
                      "com.microsoft"};
  const auto results = OneNode{.node = skip}.run({x, floats({1, 2}, {1, 1}), ones({2})});
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{-1, 1}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{2, 4}));
  const OnnxNode matmul{"FusedMatMul",
                        {"a", "b"},
                        {"y"},
                        {OnnxAttribute::integer("transB", 1), OnnxAttribute::number("alpha", 0.5F)},
                        "",
                        "com.microsoft"};
  EXPECT_EQ(values_of({.node = matmul}, {x, floats({1, 2}, {2, 2})}), std::vector<double>{4});
}

TEST(ImportNetwork, MatricesOfNibblesAreUnpacked) {
  // One column of three numbers in blocks of two: 9 and 6, then 10 (and one beyond the end).
  const OnnxNode node{"MatMulNBits",
                      {"a", "b", "s"},
                      {"y"},
                      {OnnxAttribute::integer("K", 3), OnnxAttribute::integer("N", 1),
                       OnnxAttribute::integer("bits", 4), OnnxAttribute::integer("block_size", 2)},
                      "",
                      "com.microsoft"};
  const ops::Tensor a = floats({1, 3}, {1, 10, 100});
  const ops::Tensor b = tensor(DType::kUInt8, {1, 2, 1}, {0x69, 0x7a});
  EXPECT_EQ(values_of({.node = node}, {a, b, floats({2}, {1, 2})}), std::vector<double>{381})
      << "1 * (9 - 8) + 10 * (6 - 8) + 100 * (10 - 8) * 2";
  OnnxNode shifted = node;
  shifted.inputs.push_back("z");
  EXPECT_EQ(
      values_of({.node = shifted}, {a, b, floats({2}, {1, 2}), tensor(DType::kUInt8, {1}, {0x96})}),
      std::vector<double>{203})
      << "zero points 6 and 9";
}

TEST(ImportNetwork, GridsSampleBetweenElements) {
  const ops::Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const ops::Tensor grid = floats({1, 1, 3, 2}, {0, 0, -1, -1, 3, 3});
  const auto sample = [&](std::vector<std::string> attributes) {
    return values_of(
        {.node = {"GridSample", {"x", "g"}, {"y"}, std::move(attributes)}, .opset = 20}, {x, grid});
  };
  EXPECT_EQ(sample({}), (std::vector<double>{2.5, 0.25, 0}));
  EXPECT_EQ(sample({OnnxAttribute::integer("align_corners", 1)}), (std::vector<double>{2.5, 1, 0}));
  EXPECT_EQ(sample({OnnxAttribute::text("padding_mode", "border")}),
            (std::vector<double>{2.5, 1, 4}));
  EXPECT_EQ(sample({OnnxAttribute::text("mode", "nearest"),
                    OnnxAttribute::text("padding_mode", "border")}),
            (std::vector<double>{1, 1, 4}));
}

}  // namespace
}  // namespace tenon::import
