// Reductions of large maps: every kind, along one spatial axis and three, and what stays whole.
#include "driver/pipeline.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;
using Integers = std::vector<int64_t>;

/// A convolution by weights of a pointwise kernel, 8 channels to 24.
ValueId conv(ModelBuilder& m, const Integers& input) {
  const size_t spatial = input.size() - 2;
  Integers filter = {24, 8};
  filter.resize(input.size(), 1);
  return m.add(Op::kConv, {m.input("x", {input.begin(), input.end()}), m.parameter(filter, 0.1)},
               {{"strides", Integers(spatial, 1)},
                {"pads", Integers(2 * spatial, 0)},
                {"dilations", Integers(spatial, 1)},
                {"groups", int64_t{1}}});
}

ir::Attrs reduce_attrs(const std::string& kind, Integers axes, bool keep) {
  return {{"kind", kind}, {"axes", std::move(axes)}, {"keep", keep}};
}

/// The number of reductions, once native code has been compared with reference evaluation.
int64_t reductions_after(const ModelBuilder& m, const Integers& input) {
  expect_native_equals_reference(m.module, {input});
  driver::State state{.module = m.module, .target = *find_target("native")};
  EXPECT_TRUE(driver::run_pipeline(state, "import", "split-reductions"));
  return std::ranges::count_if(state.module.graph.nodes, [&](ir::NodeId node) {
    return state.module.node(node).op == Op::kReduce;
  });
}

TEST(SplitReductions, EveryKind) {
  for (const std::string kind : {"mean", "sum", "max", "min", "sum_square", "l1"}) {
    SCOPED_TRACE(kind);
    ModelBuilder m;
    const ValueId map = m.add(Op::kRelu, {conv(m, {2, 8, 48, 40})});
    m.output(m.add(Op::kReduce, {map}, reduce_attrs(kind, {2, 3}, kind != "max")));
    EXPECT_EQ(reductions_after(m, {2, 8, 48, 40}), 2);
  }
}

TEST(SplitReductions, OneAndThreeSpatialAxes) {
  for (const auto& [input, axes] : std::vector<std::pair<Integers, Integers>>{
           {{1, 8, 2800}, {2}}, {{1, 8, 14, 15, 16}, {2, 3, 4}}}) {
    ModelBuilder m;
    m.output(m.add(Op::kReduce, {conv(m, input)}, reduce_attrs("mean", axes, true)));
    EXPECT_EQ(reductions_after(m, input), 2);
  }
}

TEST(SplitReductions, WhatStaysWhole) {
  const auto reductions = [](const Integers& input, Integers axes) {
    ModelBuilder m;
    m.output(m.add(Op::kReduce, {conv(m, input)}, reduce_attrs("mean", std::move(axes), false)));
    return reductions_after(m, input);
  };
  EXPECT_EQ(reductions({1, 8, 12, 12}, {2, 3}), 1) << "a small map";
  EXPECT_EQ(reductions({1, 8, 48, 64}, {3}), 1) << "rows of a map";
  EXPECT_EQ(reductions({1, 8, 53, 64}, {2, 3}), 1) << "a prime number of rows";
  ModelBuilder m;
  const ValueId x = m.input("x", {1, 24, 48, 64});
  m.output(m.add(Op::kReduce, {x}, reduce_attrs("mean", {2, 3}, false)));
  EXPECT_EQ(reductions_after(m, {1, 24, 48, 64}), 1) << "a map that does not lie channels last";
}

}  // namespace
}  // namespace tenon
