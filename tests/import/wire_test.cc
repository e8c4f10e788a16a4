#include "import/onnx/wire.h"

#include <gtest/gtest.h>

#include "testing/onnx_writer.h"

namespace tenon::import::onnx {
namespace {

using testing::OnnxAttribute;
using testing::OnnxGraph;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Result<Model> read(const std::string& text, const Limits& limits = {}) {
  return read_model(bytes_of(text), limits);
}

std::string small_model() {
  OnnxGraph graph;
  graph.input("x", {int64_t{2}, "n", ""})
      .output("y")
      .initializer(testing::onnx_floats("w", {2}, {1, 2}))
      .node({"Mul", {"x", "w"}, {"y"}, {OnnxAttribute::integer("axis", -1)}, "times"});
  return testing::onnx_model(graph);
}

TEST(Wire, ReadsWhatAModelSays) {
  const std::string file = small_model();
  const Result<Model> model = read(file);
  ASSERT_TRUE(model) << model.error().text();
  ASSERT_EQ(model->graph.nodes.size(), 1U);
  const Node& node = model->graph.nodes[0];
  EXPECT_EQ(node.op_type, "Mul");
  EXPECT_EQ(node.name, "times");
  EXPECT_EQ(node.inputs, (std::vector<std::string_view>{"x", "w"}));
  ASSERT_EQ(node.attributes.size(), 1U);
  EXPECT_EQ(node.attributes[0].type, AttributeType::kInt);
  EXPECT_EQ(node.attributes[0].integer, -1);
  ASSERT_EQ(model->graph.inputs.size(), 1U);
  const std::vector<Dimension>& shape = *model->graph.inputs[0].shape;
  ASSERT_EQ(shape.size(), 3U);
  EXPECT_EQ(shape[0].value, 2);
  EXPECT_EQ(shape[1].symbol, "n");
  EXPECT_FALSE(shape[2].value);
  EXPECT_EQ(shape[2].symbol, "");
  EXPECT_EQ(model->opsets[0].second, 18);
}

TEST(Wire, RawDataIsAViewIntoTheFile) {
  const std::string file = small_model();
  const Result<Model> model = read(file);
  ASSERT_TRUE(model);
  const std::span<const std::byte> raw = *model->graph.initializers[0].raw;
  EXPECT_EQ(raw.size(), 8U);
  EXPECT_GE(raw.data(), bytes_of(file).data());
  EXPECT_LE(raw.data() + raw.size(), bytes_of(file).data() + file.size());
}

TEST(Wire, EveryTruncationIsAnErrorOrAShorterModel) {
  const std::string file = small_model();
  for (size_t size = 0; size < file.size(); ++size) {
    const Result<Model> model = read(file.substr(0, size));
    EXPECT_TRUE(model || model.error().kind == ErrorKind::kBadModel) << size;
  }
}

TEST(Wire, EveryDamagedByteIsAnErrorOrAnotherModel) {
  const std::string file = small_model();
  for (size_t i = 0; i < file.size(); ++i) {
    for (const int damage : {0x00, 0x7f, 0x80, 0xff}) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damage);
      const Result<Model> model = read(damaged);
      EXPECT_TRUE(model || model.error().kind == ErrorKind::kBadModel) << i;
    }
  }
}

TEST(Wire, AnErrorNamesItsPlace) {
  std::string graph;
  protozero::pbf_writer writer(graph);
  writer.add_message(1, testing::OnnxNode{"Relu", {"x"}, {"y"}}.bytes());
  writer.add_message(1, std::string("\x0a\x7f"));  // a name of 127 bytes that are not there
  std::string model;
  protozero::pbf_writer(model).add_message(7, graph);
  const Result<Model> result = read(model);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().diagnostics[0].where.node, "graph 0 > node 1");
}

TEST(Wire, RepeatedNumbersMayBePackedOrNot) {
  std::string bytes;
  protozero::pbf_writer tensor(bytes);
  tensor.add_int64(1, 2);
  tensor.add_int64(1, 3);
  tensor.add_float(4, 1.5F);
  const float more[] = {2.5F, 3.5F};
  tensor.add_packed_float(4, std::begin(more), std::end(more));
  const Result<Tensor> result = read_tensor(bytes_of(bytes), {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(result->floats, (std::vector<float>{1.5F, 2.5F, 3.5F}));
}

TEST(Wire, UnknownFieldsAreSkipped) {
  std::string bytes;
  protozero::pbf_writer tensor(bytes);
  tensor.add_string(100, "from the future");
  tensor.add_fixed64(101, 7);
  tensor.add_string(8, "w");
  tensor.add_string(2, "a data type that is no number");
  const Result<Tensor> result = read_tensor(bytes_of(bytes), {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->name, "w");
  EXPECT_EQ(result->data_type, 0);
}

TEST(Wire, AnAttributeWithoutATypeHasThatOfItsField) {
  OnnxGraph graph;
  graph.node({"Slice",
              {},
              {},
              {OnnxAttribute::integers("axes", {1, 2}, 0), OnnxAttribute::integer("k", 3, 0)}});
  const std::string file = testing::onnx_model(graph);
  const Result<Model> model = read(file);
  ASSERT_TRUE(model);
  const std::vector<Attribute>& attributes = model->graph.nodes[0].attributes;
  EXPECT_EQ(attributes[0].type, AttributeType::kInts);
  EXPECT_EQ(attributes[1].type, AttributeType::kInt);
}

TEST(Wire, AFileThatIsNoModelIsRefused) {
  const Result<Model> empty = read("");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().kind, ErrorKind::kBadModel);
  EXPECT_FALSE(read("PK\x03\x04 this is a zip archive"));
}

TEST(Wire, LimitsHold) {
  const std::string file = small_model();
  EXPECT_TRUE(read(file, {.file_bytes = file.size(), .nodes = 1, .attributes = 1, .rank = 3}));
  EXPECT_FALSE(read(file, {.file_bytes = file.size() - 1}));
  EXPECT_FALSE(read(file, {.nodes = 0}));
  EXPECT_FALSE(read(file, {.attributes = 0}));
  EXPECT_FALSE(read(file, {.rank = 2}));
}

TEST(Wire, NamesAreUtf8) {
  const auto with_name = [](std::string_view name) {
    std::string graph;
    protozero::pbf_writer(graph).add_string(2, name.data(), name.size());
    std::string model;
    protozero::pbf_writer(model).add_message(7, graph);
    return model;
  };
  for (std::string_view good : {"plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x99\x82"}) {
    EXPECT_TRUE(read(with_name(good))) << good;
  }
  for (std::string_view bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    const Result<Model> result = read(with_name(bad));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::kBadModel);
  }
}

TEST(Wire, NestedGraphsAreBounded) {
  std::string inner;
  for (int depth = 0; depth < 100; ++depth) {
    OnnxGraph graph;
    graph.node({"If", {}, {}, {OnnxAttribute::graph("then_branch", inner)}});
    inner = graph.bytes();
  }
  std::string model;
  protozero::pbf_writer(model).add_message(7, inner);
  const Result<Model> result = read(model);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("nested more than 64 deep"), std::string::npos);
  EXPECT_TRUE(read(model, {.depth = 101}));
}

}  // namespace
}  // namespace tenon::import::onnx
