#include <gtest/gtest.h>

#include "testing/graph.h"

namespace tenon::ir {
namespace {

constexpr std::string_view kGood = R"(module "m" {
  input %0 "x": f32[batch, 4]
  %1: f32[4] = constant() {data = [1, 2, 3, 4]}
  %2: f32[batch, 4] = add(%0, %1)
  %3: f32[batch, 8] = concat(%2, %0) {axis = 1}
  %4: f32[batch, 4] = layer_norm(%2, _, %1) {axes = 1, epsilon = 0.1}
  %5: f32[batch, 1], %6: i64[batch, 1] = top_k(%3) {axis = 1, k = [1], largest = true}
  output %4 "y"
  output %6 "i"
  place %2 {offset = 0, size = 4*batch, strides = [4, 1]}
  place %4 in %2 {offset = 0, strides = [4, 1]}
  group [%2, %4] anchor %4
  group [%3]
}
)";

struct Break {
  const char* name;
  void (*change)(Module&);
  const char* problem;
};

Node& node(Module& module, size_t index) { return module.node(NodeId(index)); }

const Break kBreaks[] = {
    {"UnknownInput", [](Module& m) { m.graph.inputs.emplace_back(99); }, "value 99 does not exist"},
    {"InputTwice", [](Module& m) { m.graph.inputs.emplace_back(0); }, "value 0 is defined twice"},
    {"ResultAsInput", [](Module& m) { m.graph.inputs[0] = ValueId(2); },
     "value 2 does not name the node that has it as a result"},
    {"WrongProducer", [](Module& m) { m.value(ValueId(2)).producer = NodeId(3); },
     "value 2 does not name the node that has it as a result"},
    {"WrongResult", [](Module& m) { m.value(ValueId(6)).result = 0; },
     "value 6 does not name the node that has it as a result"},
    {"NegativeDim", [](Module& m) { m.value(ValueId(2)).type.dims[1] = -4; },
     "value 2 has a negative dim in f32[batch, -4]"},
    {"UnknownNode", [](Module& m) { m.graph.nodes.emplace_back(99); },
     "the graph lists node 99, which does not exist"},
    {"NodeTwice", [](Module& m) { m.graph.nodes.emplace_back(1); }, "the graph lists node 1 twice"},
    {"UnknownOperator", [](Module& m) { node(m, 1).op = static_cast<Op>(op_count()); },
     "node 1 has no operator"},
    {"TooFewOperands", [](Module& m) { node(m, 1).inputs.pop_back(); },
     "node 1 (add) has 1 operands, not 2"},
    {"NoVariadicOperand", [](Module& m) { node(m, 2).inputs.clear(); },
     "node 2 (concat) has 0 operands, not 1 or more"},
    {"AbsentOperand", [](Module& m) { node(m, 1).inputs[1] = ValueId(); },
     "node 1 (add) lacks operand 'b'"},
    {"UnknownOperand", [](Module& m) { node(m, 1).inputs[1] = ValueId(99); },
     "node 1 (add) read a value that does not exist"},
    {"ConsumerFirst", [](Module& m) { std::swap(m.graph.nodes[1], m.graph.nodes[2]); },
     "node 2 (concat) read value 2, which is not defined before"},
    {"TooFewResults", [](Module& m) { node(m, 4).outputs.pop_back(); },
     "node 4 (top_k) has 1 results, not 2"},
    {"UnknownAttribute", [](Module& m) { node(m, 1).attrs.set("axis", int64_t{1}); },
     "node 1 (add) has an unknown attribute 'axis'"},
    {"OtherKind", [](Module& m) { node(m, 2).attrs.set("axis", 1.0); },
     "attribute 'axis' of node 2 (concat) is of kind float, not int"},
    {"LacksAttribute", [](Module& m) { node(m, 2).attrs.erase("axis"); },
     "node 2 (concat) lacks attribute 'axis'"},
    {"UnknownData", [](Module& m) { node(m, 0).attrs.set("data", DataId(9)); },
     "node 0 (constant) names data that does not exist"},
    {"OtherDataType", [](Module& m) { m.value(ValueId(1)).type.dims[0] = 5; },
     "node 0 (constant) has another type than its data, f32[4]"},
    {"TooFewBytes",
     [](Module& m) {
       const Data& data = m.data(DataId(0));
       node(m, 0).attrs.set("data", m.add_data({data.type, data.bytes.first(12), {}}));
     },
     "node 0 (constant) has 12 bytes of data, not 16"},
    {"ConstantWithoutBytes",
     [](Module& m) {
       const Data& data = m.data(DataId(0));
       node(m, 0).attrs.set("data", m.add_data({data.type, {}, {}}));
     },
     "node 0 (constant) has 0 bytes of data, not 16"},
    {"UndefinedOutput", [](Module& m) { m.graph.nodes.pop_back(); },
     "the graph's outputs read value 6, which is not defined before"},
    {"MissingOutputName", [](Module& m) { m.graph.output_names.pop_back(); },
     "2 outputs have 1 names"},
    {"TooFewPlacements", [](Module& m) { m.placements.pop_back(); }, "7 values have 6 placements"},
    {"UndefinedStorage", [](Module& m) { m.placements[4].storage = ValueId(99); },
     "value 4 lies in a value that is not defined"},
    {"BorrowedStorage", [](Module& m) { m.placements[4].storage = ValueId(3); },
     "value 4 lies in value 3, which owns no storage"},
    {"TooFewStrides", [](Module& m) { m.placements[4].strides.pop_back(); },
     "the placement of value 4 has 1 strides"},
    {"TooSmallHalo", [](Module& m) { m.placements[2].halo = {1, 1, 1}; },
     "the halo of value 2 has 3 numbers"},
    {"NegativeHalo", [](Module& m) { m.placements[2].halo = {1, 1, 1, -1}; },
     "the halo of value 2 has a negative number"},
    {"EmptyGroup", [](Module& m) { m.groups.emplace_back(); }, "a group has no nodes"},
    {"NodeInTwoGroups", [](Module& m) { m.groups[1].nodes[0] = NodeId(1); },
     "node 1 is in two groups"},
    {"DeadNodeInGroup", [](Module& m) { m.groups[1].nodes[0] = NodeId(99); },
     "a group has node 99, which is not in the graph"},
    {"ForeignAnchor", [](Module& m) { m.groups[0].anchor = NodeId(2); },
     "a group's anchor, node 2, is not one of its nodes"},
};

class VerifyGraph : public ::testing::TestWithParam<Break> {};

TEST_P(VerifyGraph, NamesWhatIsWrong) {
  Module module = tenon::testing::graph_of(kGood);
  GetParam().change(module);
  EXPECT_EQ(verify(module), GetParam().problem);
}

INSTANTIATE_TEST_SUITE_P(Breaks, VerifyGraph, ::testing::ValuesIn(kBreaks),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tenon::ir
