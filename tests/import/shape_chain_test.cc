// Shape arithmetic in the file must never become work at run time.
#include "import_onnx.h"

namespace tenon::import {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary
using ir::Op;

OnnxGraph& add_integers(OnnxGraph& graph, const std::string& name, std::vector<int64_t> values) {
  return graph.initializer(onnx_integers(name, values));
}

TEST(ShapeChain, AViewOfTheBatchIsAReshapeWithAttributes) {
  // The legacy exporter's x.view(x.size(0), -1, 4).
  OnnxGraph graph;
  graph.input("x", {"n", int64_t{6}, int64_t{8}});
  add_integers(graph, "minus_one", {-1});
  add_integers(graph, "four", {4});
  add_integers(graph, "axes", {0});
  graph.initializer(onnx_tensor<int64_t>("zero", kOnnxInt64, {}, {0}))
      .node({"Shape", {"x"}, {"shape"}})
      .node({"Gather", {"shape", "zero"}, {"batch"}})
      .node({"Unsqueeze", {"batch", "axes"}, {"batch_1d"}})
      .node({"Concat",
             {"batch_1d", "minus_one", "four"},
             {"target"},
             {OnnxAttribute::integer("axis", 0)}})
      .node({"Reshape", {"x", "target"}, {"y"}})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module), "f32[n, 12, 4]");
  EXPECT_EQ(module.graph.nodes.size(), 1U) << ir::to_string(module);
}

TEST(ShapeChain, TwoOpenDimsMayMergeAndSplit) {
  OnnxGraph graph;
  graph.input("x", {"n", "s", int64_t{8}});
  add_integers(graph, "merge", {-1, 8});
  graph.node({"Reshape", {"x", "merge"}, {"flat"}})
      .node({"Shape", {"x"}, {"shape"}})
      .node({"Reshape", {"flat", "shape"}, {"y"}})
      .output("flat")
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module, 0), "f32[n*s, 8]");
  EXPECT_EQ(output_type(module, 1), "f32[n, s, 8]");
}

TEST(ShapeChain, ExpandWithItsWhereIsKnown) {
  // torch's expand(-1, ...): Where(target == -1, ones, target).
  OnnxGraph graph;
  graph.input("x", {"n", int64_t{1}});
  add_integers(graph, "target", {-1, 5});
  add_integers(graph, "minus_one", {-1});
  add_integers(graph, "rank", {2});
  graph
      .node({"ConstantOfShape",
             {"rank"},
             {"ones"},
             {OnnxAttribute::tensor("value", onnx_integers("", {1}))}})
      .node({"Equal", {"target", "minus_one"}, {"keeps"}})
      .node({"Where", {"keeps", "ones", "target"}, {"dims"}})
      .node({"Expand", {"x", "dims"}, {"y"}})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module), "f32[n, 5]");
  EXPECT_EQ(module.graph.nodes.size(), 1U) << ir::to_string(module);
}

TEST(ShapeChain, BoundsOfSlicesFollowFromSizes) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}, "s"});
  add_integers(graph, "start", {0});
  add_integers(graph, "axis", {1});
  add_integers(graph, "two", {2});
  add_integers(graph, "last", {-1});
  add_integers(graph, "end", {INT64_MAX});
  add_integers(graph, "backwards", {-1});
  add_integers(graph, "before_all", {INT64_MIN});
  graph.node({"Shape", {"x"}, {"shape"}, {OnnxAttribute::integer("start", 1)}})
      .node({"Div", {"shape", "two"}, {"half"}})
      .node({"Slice", {"x", "start", "half", "axis"}, {"first"}})
      .node({"Slice", {"x", "half", "end", "axis"}, {"second"}})
      .node({"Slice", {"x", "last", "end", "axis"}, {"tail"}})
      .node({"Slice", {"x", "last", "before_all", "axis", "backwards"}, {"flipped"}})
      .output("first")
      .output("second")
      .output("tail")
      .output("flipped");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module, 0), "f32[2, floor_div(s, 2)]");
  EXPECT_EQ(output_type(module, 1), "f32[2, -floor_div(s, 2) + s]");
  EXPECT_EQ(output_type(module, 2), "f32[2, 1]");
  EXPECT_EQ(output_type(module, 3), "f32[2, s]");
  const auto outputs = ModuleRunner(module).run({floats({2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})});
  EXPECT_EQ(numbers(outputs[0]), (std::vector<double>{0, 1, 5, 6}));
  EXPECT_EQ(numbers(outputs[1]), (std::vector<double>{2, 3, 4, 7, 8, 9}));
  EXPECT_EQ(numbers(outputs[2]), (std::vector<double>{4, 9}));
  EXPECT_EQ(numbers(outputs[3]), (std::vector<double>{4, 3, 2, 1, 0, 9, 8, 7, 6, 5}));
}

TEST(ShapeChain, ATableIsTakenToBeLongEnough) {
  // Position ids: the first s entries of a table, added to data of s steps.
  OnnxGraph graph;
  graph.input("x", {"s"}, kOnnxInt64);
  add_integers(graph, "table", {10, 11, 12, 13});
  add_integers(graph, "zero", {0});
  graph.node({"Shape", {"x"}, {"end"}})
      .node({"Slice", {"table", "zero", "end"}, {"positions"}})
      .node({"Add", {"x", "positions"}, {"y"}})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module), "i64[s]");
  EXPECT_EQ(numbers(ModuleRunner(module).run({integers({3}, {1, 1, 1})})[0]),
            (std::vector<double>{11, 12, 13}));
  EXPECT_THROW(ModuleRunner(module).run({integers({5}, {1, 1, 1, 1, 1})}), std::runtime_error);
}

TEST(ShapeChain, SizesThroughFloatsAreKnownWhereTheyAreWhole) {
  // Resize to twice the size, computed in floats as exporters do.
  OnnxGraph graph;
  graph.input("x", {int64_t{1}, int64_t{1}, "h", int64_t{4}})
      .initializer(onnx_floats("two", {1}, {2}))
      .node({"Shape", {"x"}, {"shape"}})
      .node({"Cast", {"shape"}, {"real"}, {OnnxAttribute::integer("to", kOnnxFloat)}})
      .initializer(onnx_floats("scales", {4}, {1, 1, 2, 2}))
      .node({"Mul", {"real", "scales"}, {"scaled"}})
      .node({"Floor", {"scaled"}, {"whole"}})
      .node({"Cast", {"whole"}, {"sizes"}, {OnnxAttribute::integer("to", kOnnxInt64)}})
      .node({"Resize",
             {"x", "", "", "sizes"},
             {"y"},
             {OnnxAttribute::text("mode", "nearest"),
              OnnxAttribute::text("coordinate_transformation_mode", "asymmetric")}})
      .output("y");
  EXPECT_EQ(output_type(import_model(onnx_model(graph))), "f32[1, 1, 2*h, 8]");
}

TEST(ShapeChain, ASizeThatIsUsedAsDataIsATensor) {
  OnnxGraph graph;
  graph.input("x", {"n", int64_t{3}})
      .node({"Shape", {"x"}, {"shape"}})
      .node({"Size", {"x"}, {"size"}})
      .output("shape")
      .output("size");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(count_of(module, Op::kDimsTensor), 2);
  const auto outputs = ModuleRunner(module).run({counting(ir::DType::kFloat32, {2, 3})});
  EXPECT_EQ(numbers(outputs[0]), (std::vector<double>{2, 3}));
  EXPECT_EQ(numbers(outputs[1]), std::vector<double>{6});
  EXPECT_EQ(outputs[1].rank(), 0);
}

TEST(ShapeChain, KnownSizesAreConstants) {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}, int64_t{3}}).node({"Shape", {"x"}, {"shape"}}).output("shape");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(count_of(module, Op::kConstant), 1);
  EXPECT_EQ(count_of(module, Op::kDimsTensor), 0);
}

TEST(ShapeChain, ARangeOverAnOpenSizeIsOne) {
  OnnxGraph graph;
  graph.input("x", {"n"})
      .initializer(onnx_tensor<int64_t>("zero", kOnnxInt64, {}, {0}))
      .initializer(onnx_tensor<int64_t>("one", kOnnxInt64, {}, {1}))
      .node({"Size", {"x"}, {"size"}})
      .node({"Range", {"zero", "size", "one"}, {"y"}})
      .output("y");
  const ir::Module module = import_model(onnx_model(graph));
  EXPECT_EQ(output_type(module), "i64[n]");
  EXPECT_EQ(numbers(ModuleRunner(module).run({floats({3}, {0, 0, 0})})[0]),
            (std::vector<double>{0, 1, 2}));
}

TEST(ShapeChain, ShapesThatAreDataAreUnsupportedWithTheirNode) {
  OnnxGraph graph;
  graph.input("x", {int64_t{6}})
      .input("target", {int64_t{2}}, kOnnxInt64)
      .node({"Reshape", {"x", "target"}, {"y"}, {}, "view"})
      .output("y");
  const Error error = import_error(onnx_model(graph));
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_EQ(error.diagnostics[0].where.node, "view (Reshape)");
  EXPECT_NE(error.text().find("depend on the data"), std::string::npos);
}

TEST(ShapeChain, HostileSizesAreErrors) {
  const auto kind_of = [](const std::string& op, const std::vector<int64_t>& values) {
    OnnxGraph graph;
    graph.input("x", {int64_t{1}});
    add_integers(graph, "v", values);
    if (op == "ConstantOfShape") {
      graph.node({op, {"v"}, {"y"}});
    } else {
      graph.node({op, {"x", "v"}, {"y"}});
    }
    graph.output("y");
    const auto module = try_import(onnx_model(graph));
    return module ? ErrorKind::kRuntime : module.error().kind;
  };
  const int64_t huge = int64_t{1} << 40;
  EXPECT_EQ(kind_of("Expand", {huge, huge}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of("Reshape", {huge, huge}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of("Reshape", {-2}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of("Tile", {huge, huge}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of("ConstantOfShape", {huge, huge}), ErrorKind::kBadModel);
  EXPECT_EQ(kind_of("ConstantOfShape", {-1}), ErrorKind::kBadModel);
  // Large, but legal: a node, not memory.
  EXPECT_EQ(kind_of("Expand", {huge}), ErrorKind::kRuntime);
}

}  // namespace
}  // namespace tenon::import
