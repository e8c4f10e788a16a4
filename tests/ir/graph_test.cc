#include "ir/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "testing/graph.h"

namespace tenon::ir {
namespace {

using tenon::testing::graph_of;

NodeId append(Module& module, Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
  const NodeId node = module.make_node(op, std::move(inputs), std::move(attrs),
                                       {{DType::kFloat32, {4}}}, OriginId());
  module.graph.nodes.push_back(node);
  return node;
}

ValueId result(const Module& module, NodeId node) { return module.node(node).outputs[0]; }

TEST(TensorType, CountsTheElementsOfAStaticType) {
  Dims dims;
  const TensorType type{DType::kFloat32, {2, 3}};
  const TensorType symbolic{DType::kFloat32, {dims.symbol("n"), 3}};
  EXPECT_TRUE(type.is_static());
  EXPECT_EQ(type.element_count(), 6);
  EXPECT_EQ(TensorType().element_count(), 1);
  EXPECT_FALSE(symbolic.is_static());
  EXPECT_THROW(symbolic.element_count(), InternalError);
}

TEST(Attrs, GivesWhatWasSet) {
  Attrs attrs{{"axis", int64_t{2}}, {"mode", std::string("edge")}, {"alpha", 0.5}};
  EXPECT_EQ(attrs.integer("axis"), 2);
  EXPECT_EQ(attrs.text("mode"), "edge");
  EXPECT_EQ(attrs.number("alpha"), 0.5);
  EXPECT_EQ(attrs.integer_or("groups", 7), 7);
  EXPECT_TRUE(attrs.flag_or("keep", true));
  attrs.set("axis", int64_t{3});
  EXPECT_EQ(attrs.integer_or("axis", 7), 3);
  attrs.erase("axis");
  EXPECT_FALSE(attrs.has("axis"));
  EXPECT_EQ(attrs.begin()->first, "alpha");
}

TEST(Attrs, RefusesAnotherKind) {
  const Attrs attrs{{"axis", int64_t{2}}};
  EXPECT_THROW(attrs.number("axis"), InternalError);
  EXPECT_THROW(attrs.integer("mode"), InternalError);
}

TEST(OpInfo, ReadsSignatures) {
  const OpInfo& conv = info(Op::kConv);
  EXPECT_EQ(conv.name, "conv");
  ASSERT_EQ(conv.operands.size(), 3u);
  EXPECT_EQ(conv.operands[2].name, "b");
  EXPECT_TRUE(conv.operands[2].optional);
  EXPECT_FALSE(conv.operands[1].optional);
  ASSERT_GE(conv.attributes.size(), 5u);
  EXPECT_EQ(conv.attributes[1].name, "pads");
  EXPECT_EQ(conv.attributes[1].kind, "ints");
  EXPECT_FALSE(conv.attributes[1].optional);
  EXPECT_EQ(conv.attributes[4].name, "packed");
  EXPECT_EQ(conv.attributes[4].kind, "int");
  EXPECT_TRUE(conv.attributes[4].optional);
  EXPECT_EQ(conv.results, std::vector<std::string>{"result"});
  EXPECT_TRUE(info(Op::kConcat).operands[0].variadic);
  EXPECT_EQ(info(Op::kTopK).results, (std::vector<std::string>{"values", "indices"}));
  EXPECT_FALSE(info(Op::kTopK).has_variadic_results);
  EXPECT_EQ(info(Op::kCFunction).results, std::vector<std::string>{"ys"});
  EXPECT_TRUE(info(Op::kCFunction).has_variadic_results);
  EXPECT_TRUE(info(Op::kConstant).operands.empty());
}

TEST(OpInfo, HasTheMeaningOfElementwiseRows) {
  const OpInfo& relu = info(Op::kRelu);
  EXPECT_TRUE(relu.elementwise);
  EXPECT_EQ(relu.meaning, "max(0, x)");
  EXPECT_EQ(relu.onnx, "Relu");
  EXPECT_EQ(relu.aten, "relu");
  EXPECT_FALSE(info(Op::kConv).elementwise);
}

TEST(OpInfo, FindsEveryOperatorByName) {
  for (size_t i = 0; i < op_count(); ++i) {
    const Op op = static_cast<Op>(i);
    EXPECT_EQ(find_op(info(op).name), op) << info(op).name;
  }
  EXPECT_FALSE(find_op("convolve").has_value());
}

TEST(OpInfo, UsesOnlyKnownAttributeKinds) {
  const std::vector<std::string> kinds = {"int",  "float",  "bool", "str", "dtype",
                                          "ints", "floats", "dims", "data"};
  for (size_t i = 0; i < op_count(); ++i) {
    for (const OpInfo::Attribute& attribute : info(static_cast<Op>(i)).attributes) {
      EXPECT_EQ(std::ranges::count(kinds, attribute.kind), 1)
          << info(static_cast<Op>(i)).name << ' ' << attribute.name << ':' << attribute.kind;
    }
  }
}

TEST(Module, MakesNodesWithFreshResults) {
  Module module;
  const ValueId x = module.add_input({DType::kFloat32, {4}}, "x");
  const OriginId origin = module.add_origin({"/conv (Conv)", "model.py:3"});
  const NodeId node = module.make_node(Op::kConv, {x, x}, {}, {{DType::kFloat32, {4}}}, origin);
  EXPECT_EQ(module.node(node).inputs, (std::vector<ValueId>{x, x, ValueId()}));
  EXPECT_EQ(module.producer(result(module, node)), node);
  EXPECT_TRUE(module.is(result(module, node), Op::kConv));
  EXPECT_FALSE(module.is(x, Op::kConv));
  EXPECT_FALSE(module.is(ValueId(), Op::kConv));
  EXPECT_TRUE(module.graph.nodes.empty());
  EXPECT_EQ(module.where(node).node, "/conv (Conv)");
  EXPECT_EQ(module.where(node).source, "model.py:3");
}

TEST(Module, ReadsConstants) {
  const Module module = graph_of(R"(module "m" {
    %0: f16[] = constant() {data = [0.5]}
    %1: i8[1] = constant() {data = [-3]}
    %2: bf16[1, 1] = constant() {data = [-2]}
    %3: bool[] = constant() {data = [true]}
    %4: f32[2] = constant() {data = [1, 2]}
    %5: f32[] = parameter() {data = [1]}
  })");
  const auto value = [&](size_t node) { return result(module, module.graph.nodes[node]); };
  EXPECT_EQ(module.scalar(value(0)), 0.5);
  EXPECT_EQ(module.scalar(value(1)), -3);
  EXPECT_EQ(module.scalar(value(2)), -2);
  EXPECT_EQ(module.scalar(value(3)), 1);
  EXPECT_FALSE(module.scalar(value(4)).has_value());
  EXPECT_EQ(module.constant(value(4))->bytes.size(), 8u);
  EXPECT_EQ(module.constant(value(5)), nullptr);
}

TEST(Module, OwnsCopiedData) {
  Module module;
  std::array<std::byte, 4> bytes = {};
  const DataId data = module.add_owned_data({DType::kFloat32, {1}}, bytes, "w");
  bytes[0] = std::byte{1};
  const Module copy = module;
  module = Module();
  EXPECT_EQ(copy.data(data).bytes[0], std::byte{0});
  EXPECT_EQ(copy.data(data).name, "w");
}

TEST(UseCounts, CountOperandsAndOutputs) {
  const Module module = graph_of(R"(module "m" {
    input %0: f32[4]
    input %1: f32[4]
    %2: f32[4] = add(%0, %0)
    %3: f32[4] = conv(%2, %0, _) {dilations = [], groups = 1, pads = [], strides = []}
    output %2
    output %2
  })");
  EXPECT_EQ(use_counts(module), (std::vector<uint32_t>{3, 0, 3, 0}));
}

TEST(ReplaceUses, ChangesOperandsAndOutputs) {
  Module module = graph_of(R"(module "m" {
    input %0: f32[4]
    %1: f32[4] = relu(%0)
    %2: f32[4] = add(%1, %0)
    output %1
    output %2
  })");
  replace_uses(module, ValueId(1), ValueId(0));
  EXPECT_EQ(module.node(NodeId(1)).inputs, (std::vector<ValueId>{ValueId(0), ValueId(0)}));
  EXPECT_EQ(module.graph.outputs, (std::vector<ValueId>{ValueId(0), ValueId(2)}));
  EXPECT_EQ(module.node(NodeId(0)).inputs, std::vector<ValueId>{ValueId(0)});
}

TEST(CleanUp, DropsDeadNodesAndKeepsTheOrder) {
  Module module = graph_of(R"(module "m" {
    input %0: f32[4]
    %1: f32[4] = relu(%0)
    %2: f32[4] = neg(%0)
    %3: f32[4] = exp(%2)
    %4: f32[4] = abs(%0)
    %5: f32[4] = add(%4, %1)
    output %5
  })");
  clean_up(module);
  EXPECT_EQ(module.graph.nodes, (std::vector<NodeId>{NodeId(0), NodeId(3), NodeId(4)}));
}

TEST(CleanUp, PutsProducersFirstAndTakesThemIn) {
  Module module;
  const ValueId x = module.add_input({DType::kFloat32, {4}}, "x");
  const NodeId unlisted = module.make_node(Op::kNeg, {x}, {}, {{DType::kFloat32, {4}}}, OriginId());
  const NodeId late = append(module, Op::kRelu, {result(module, unlisted)});
  const NodeId reader = append(module, Op::kAdd, {result(module, late), x});
  module.graph.nodes = {reader, late};
  module.graph.outputs = {result(module, reader)};
  clean_up(module);
  EXPECT_EQ(module.graph.nodes, (std::vector<NodeId>{unlisted, late, reader}));
}

TEST(CleanUp, WalksDeepGraphsAndRefusesCycles) {
  Module module;
  ValueId last = module.add_input({DType::kFloat32, {4}}, "x");
  for (int i = 0; i < 200000; ++i) last = result(module, append(module, Op::kRelu, {last}));
  std::ranges::reverse(module.graph.nodes);
  module.graph.outputs = {last};
  clean_up(module);
  EXPECT_EQ(module.graph.nodes.front(), NodeId(0));
  EXPECT_EQ(module.graph.nodes.size(), 200000u);
  module.node(NodeId(0)).inputs[0] = last;
  EXPECT_THROW(clean_up(module), InternalError);
}

}  // namespace
}  // namespace tenon::ir
