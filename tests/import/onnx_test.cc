#include "import/onnx.h"

#include <fstream>

#include "import_onnx.h"
#include "testing/temporary_folder.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::Op;

OnnxGraph& add_scaled(OnnxGraph& graph) {
  return graph.input("x", {int64_t{2}, int64_t{3}})
      .node({"Mul", {"x", "w"}, {"y"}})
      .node({"Add", {"y", "w"}, {"z"}})
      .output("z");
}

TEST(ImportOnnx, AnInitializerThatIsUsedTwiceIsOneNode) {
  OnnxGraph graph;
  graph.initializer(onnx_floats("w", {3}, {1, 2, 3}));
  const ir::Module module = import_model(onnx_model(add_scaled(graph)));
  EXPECT_EQ(count_of(module, Op::kConstant), 1);
  EXPECT_EQ(count_of(module, Op::kMul), 1);
  EXPECT_EQ(output_type(module), "f32[2, 3]");
  EXPECT_EQ(module.graph.output_names, std::vector<std::string>{"z"});
  EXPECT_EQ(module.value(module.graph.inputs.at(0)).name, "x");
}

TEST(ImportOnnx, FewElementsAndIntegersAreConstantsManyFloatsAParameter) {
  OnnxGraph graph;
  graph.input("x", {int64_t{17}})
      .input("i", {int64_t{20}}, kOnnxInt64)
      .initializer(onnx_floats("big", {17}, std::vector<float>(17, 2)))
      .initializer(onnx_integers("table", std::vector<int64_t>(20, 1)))
      .node({"Mul", {"x", "big"}, {"y"}})
      .node({"Add", {"i", "table"}, {"j"}})
      .output("y")
      .output("j");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(count_of(module, Op::kParameter), 1);
  EXPECT_EQ(count_of(module, Op::kConstant), 1);
}

TEST(ImportOnnx, ParametersKeepTheirBytesInTheFile) {
  OnnxGraph graph;
  graph.input("x", {int64_t{17}})
      .initializer(onnx_floats("w", {17}, std::vector<float>(17, 2)))
      .node({"Mul", {"x", "w"}, {"y"}})
      .output("y");
  const auto file = std::make_shared<std::string>(onnx_model(graph));
  const auto bytes = std::as_bytes(std::span(*file));
  const std::weak_ptr<std::string> watch = file;
  {
    const auto module = import_onnx(bytes, file, ".", {});
    ASSERT_TRUE(module);
    ASSERT_EQ(module->data_count(), 1U);
    const ir::Data& data = module->data(ir::DataId(0));
    EXPECT_EQ(data.name, "w");
    EXPECT_GE(data.bytes.data(), bytes.data());
    EXPECT_LT(data.bytes.data(), bytes.data() + bytes.size());
    EXPECT_EQ(watch.use_count(), 2) << "the module keeps the file alive";
  }
}

TEST(ImportOnnx, InitializersThatAreListedAsInputsAreNone) {
  OnnxGraph graph;
  graph.initializer(onnx_floats("w", {3}, {1, 2, 3})).input("w", {int64_t{3}});
  const ir::Module module = import_model(onnx_model(add_scaled(graph)));
  EXPECT_EQ(module.graph.inputs.size(), 1U);
}

TEST(ImportOnnx, AnOutputMayBeAnInputOrAnInitializerOrBeThereTwice) {
  OnnxGraph graph;
  graph.input("x", {int64_t{3}})
      .initializer(onnx_floats("w", {3}, {1, 2, 3}))
      .output("x")
      .output("w")
      .output("x");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(module.graph.output_names, (std::vector<std::string>{"x", "w", "x"}));
  EXPECT_EQ(module.graph.outputs[0], module.graph.inputs[0]);
  EXPECT_EQ(module.graph.outputs[2], module.graph.inputs[0]);
}

TEST(ImportOnnx, EverythingThatIsMissingIsListedOnce) {
  OnnxGraph graph;
  const std::string trace = "File \"model.py\", line 7, in forward\n    y = odd(x)";
  graph.input("x", {int64_t{2}})
      .node({"Odd", {"x"}, {"a"}, {}, "first", "local", trace})
      .node({"Odd", {"a"}, {"b"}, {}, "second", "local"})
      .node({"Relu", {"b"}, {"c"}})
      .node({"ImageDecoder", {"c"}, {"d"}})
      .node({"Bernoulli", {"x"}, {"e"}, {}, "draw"})
      .output("d");
  const Error error = import_error(onnx_model(graph));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  ASSERT_EQ(error.diagnostics.size(), 3U);
  EXPECT_EQ(error.diagnostics[0].message, "operator local.Odd is not supported (2 nodes)");
  EXPECT_EQ(error.diagnostics[0].where.node, "first (Odd)");
  EXPECT_EQ(error.diagnostics[0].where.source, "model.py:7 in forward: y = odd(x)");
  EXPECT_EQ(error.diagnostics[1].message, "operator ImageDecoder is not supported");
  EXPECT_EQ(error.diagnostics[1].where.node, "d (ImageDecoder)");
  EXPECT_NE(error.diagnostics[2].message.find("Bernoulli"), std::string::npos);
}

TEST(ImportOnnx, NodesKnowWhereTheyComeFrom) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}})
      .node({"Relu", {"x"}, {"y"}, {}, "act", "", "File \"m.py\", line 3, in f\n    relu(x)"})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  const Where where = module.where(module.producer(module.graph.outputs[0]));
  EXPECT_EQ(where.node, "act (Relu)");
  EXPECT_EQ(where.source, "m.py:3 in f: relu(x)");
}

TEST(ImportOnnx, BrokenGraphsAreBadModels) {
  const auto kind_of = [](const OnnxGraph& graph) { return import_error(onnx_model(graph)).kind; };
  OnnxGraph unknown;
  unknown.node({"Relu", {"nothing"}, {"y"}}).output("y");
  EXPECT_EQ(kind_of(unknown), ErrorKind::kBadModel);
  OnnxGraph twice;
  twice.input("x", {int64_t{1}})
      .node({"Relu", {"x"}, {"y"}})
      .node({"Relu", {"x"}, {"y"}})
      .output("y");
  EXPECT_EQ(kind_of(twice), ErrorKind::kBadModel);
  OnnxGraph no_output;
  no_output.input("x", {int64_t{1}});
  EXPECT_EQ(kind_of(no_output), ErrorKind::kBadModel);
  OnnxGraph foreign;
  foreign.input("x", {int64_t{1}}).node({"FusedMatMul", {"x", "x"}, {"y"}, {}, "", "other"});
  foreign.output("y");
  EXPECT_EQ(kind_of(foreign), ErrorKind::kUnsupported);
  OnnxGraph wrong_attribute;
  wrong_attribute.input("x", {int64_t{1}})
      .node({"Softmax", {"x"}, {"y"}, {OnnxAttribute::number("axis", 1)}})
      .output("y");
  const Error error = import_error(onnx_model(wrong_attribute));
  EXPECT_EQ(error.kind, ErrorKind::kBadModel);
  EXPECT_EQ(error.diagnostics[0].where.node, "y (Softmax)");
}

TEST(ImportOnnx, ShapesThatDoNotFitAreNamedWithTheirNode) {
  OnnxGraph graph;
  graph.input("a", {int64_t{2}})
      .input("b", {int64_t{3}})
      .node({"Add", {"a", "b"}, {"y"}, {}, "sum"});
  graph.output("y");
  const Error error = import_error(onnx_model(graph));
  EXPECT_EQ(error.kind, ErrorKind::kBadShape);
  EXPECT_EQ(error.diagnostics[0].where.node, "sum (Add)");
}

TEST(ImportOnnx, OldOperatorSetsAreUnsupported) {
  OnnxGraph graph;
  graph.input("x", {int64_t{1}}).output("x");
  EXPECT_EQ(import_error(onnx_model(graph, 6)).kind, ErrorKind::kUnsupported);
  EXPECT_TRUE(try_import(onnx_model(graph, 7)));
}

TEST(ImportOnnx, OpenDimsAreSymbolsThatOptionsFix) {
  OnnxGraph graph;
  graph.input("x", {"batch", "", int64_t{3}}).node({"Relu", {"x"}, {"y"}}).output("y");
  const std::string model = onnx_model(graph);
  EXPECT_EQ(output_type(import_model(model)), "f32[batch, x_1, 3]");
  EXPECT_EQ(output_type(import_model(model, {.symbols = {{"batch", 8}, {"x_1", 2}}})),
            "f32[8, 2, 3]");
  EXPECT_EQ(output_type(import_model(model, {.shapes = {{"x", {4, 5, 3}}}})), "f32[4, 5, 3]");
}

TEST(ImportOnnx, ADimMayBeAnExpressionOverOthersOrJustAName) {
  OnnxGraph graph;
  graph.input("a", {"2*n"}).input("b", {"n"}).input("c", {"batch-size"});
  graph.output("a").output("c");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module, 0), "f32[2*n]");
  const std::vector<ir::Dim>& dims = module.value(module.graph.outputs[1]).type.dims;
  EXPECT_EQ(module.dims.symbols(dims[0]), std::vector<std::string>{"batch-size"});
}

TEST(ImportOnnx, OptionsThatNameNothingAreUsageErrors) {
  OnnxGraph graph;
  graph.input("x", {"n"}).output("x");
  const std::string model = onnx_model(graph);
  EXPECT_EQ(import_error(model, {.shapes = {{"y", {1}}}}).kind, ErrorKind::kUsage);
  EXPECT_EQ(import_error(model, {.shapes = {{"x", {1, 2}}}}).kind, ErrorKind::kUsage);
  EXPECT_EQ(import_error(model, {.symbols = {{"m", 1}}}).kind, ErrorKind::kUsage);
  EXPECT_EQ(import_error(model, {.symbols = {{"n", 0}}}).kind, ErrorKind::kUsage);
}

TEST(ImportOnnx, FilesAreReadAndNamedInErrors) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path path = folder / "model.onnx";
  OnnxGraph graph;
  graph.input("x", {int64_t{1}}).node({"ImageDecoder", {"x"}, {"y"}}).output("y");
  std::ofstream(path, std::ios::binary) << onnx_model(graph);
  const auto module = import_onnx(path, {});
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().diagnostics[0].where.file, path.string());
  const auto none = import_onnx(path.string() + ".none", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::kIo);
}

TEST(ImportOnnx, FunctionsAreInlined) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}})
      .node({"Scaled", {"x"}, {"y"}, {OnnxAttribute::number("slope", 0.5F)}, "one", "local"})
      .node({"Scaled", {"y"}, {"z"}, {}, "two", "local"})
      .output("z");
  const std::string function = onnx_function(
      "Scaled", {"a"}, {"b"},
      {{"LeakyRelu", {"a"}, {"b"}, {OnnxAttribute::reference("alpha", "slope", 1)}, "inner"}},
      {OnnxAttribute::number("slope", 0.25F)});
  const ir::Module module = import_model(onnx_model(graph, 18, {function}));
  ASSERT_EQ(module.graph.nodes.size(), 2U);
  const ir::Node& first = module.node(module.graph.nodes[0]);
  const ir::Node& second = module.node(module.graph.nodes[1]);
  EXPECT_EQ(first.attrs.number("alpha"), 0.5);
  EXPECT_EQ(second.attrs.number("alpha"), 0.25) << "the default";
  EXPECT_EQ(module.origin(second.origin).node, "two/inner (LeakyRelu)");
}

TEST(ImportOnnx, RecursionEnds) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}}).node({"Loop", {"x"}, {"y"}, {}, "", "local"}).output("y");
  const std::string function =
      onnx_function("Loop", {"a"}, {"b"}, {{"Loop", {"a"}, {"b"}, {}, "", "local"}});
  EXPECT_EQ(import_error(onnx_model(graph, 18, {function})).kind, ErrorKind::kBadModel);
}

TEST(ImportOnnx, CallsThatMultiplyAreBounded) {
  std::vector<std::string> functions;
  for (int level = 0; level < 30; ++level) {
    const std::string callee = level == 0 ? "Relu" : "F" + std::to_string(level - 1);
    const std::string domain = level == 0 ? "" : "local";
    functions.push_back(onnx_function(
        "F" + std::to_string(level), {"a"}, {"c"},
        {{callee, {"a"}, {"b"}, {}, "", domain}, {callee, {"b"}, {"c"}, {}, "", domain}}));
  }
  OnnxGraph graph;
  graph.input("x", {int64_t{2}}).node({"F29", {"x"}, {"y"}, {}, "", "local"}).output("y");
  ImportOptions options;
  options.limits.nodes = 1'000;
  EXPECT_EQ(import_error(onnx_model(graph, 18, functions), options).kind, ErrorKind::kBadModel);
}

TEST(ImportOnnx, WhatIsMissingInAFunctionIsListedOnce) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}}).node({"F", {"x"}, {"y"}, {}, "call", "local"}).output("y");
  const std::string function =
      onnx_function("F", {"a"}, {"b"}, {{"ImageDecoder", {"a"}, {"b"}, {}, "decoder"}});
  const Error error = import_error(onnx_model(graph, 18, {function}));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  ASSERT_EQ(error.diagnostics.size(), 1U);
  EXPECT_EQ(error.diagnostics[0].where.node, "call/decoder (ImageDecoder)");
}

TEST(ImportOnnx, AnIfWhoseConditionIsKnownIsItsBranch) {
  OnnxGraph then_branch;
  then_branch.node({"Relu", {"x"}, {"r"}}).output("r");
  OnnxGraph else_branch;
  else_branch.node({"Neg", {"x"}, {"n"}}).output("n");
  const OnnxNode node{"If",
                      {"c"},
                      {"y"},
                      {OnnxAttribute::graph("then_branch", then_branch.bytes()),
                       OnnxAttribute::graph("else_branch", else_branch.bytes())}};
  OnnxGraph graph;
  graph.input("x", {int64_t{2}})
      .initializer(onnx_tensor<char>("c", kOnnxBool, {}, {0}))
      .node(node)
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(count_of(module, Op::kNeg), 1);
  EXPECT_EQ(count_of(module, Op::kRelu), 0);
  OnnxGraph open;
  open.input("x", {int64_t{2}}).input("c", {}, kOnnxBool).node(node).output("y");
  const ir::Module both = import_model(onnx_model(open));
  EXPECT_EQ(count_of(both, Op::kNeg), 1);
  EXPECT_EQ(count_of(both, Op::kRelu), 1);
  EXPECT_EQ(count_of(both, Op::kWhere), 1);
}

}  // namespace
}  // namespace tenon::import
