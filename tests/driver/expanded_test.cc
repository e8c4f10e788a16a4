// Depthwise convolutions that make their input themselves, against reference evaluation: windows,
// sizes and epilogues of every kind, and what has to stay apart. The map between the two
// convolutions is larger than the second-level cache of any target.
#include <algorithm>

#include "driver/pipeline.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;
using Integers = std::vector<int64_t>;

struct Case {
  Integers input;    ///< of the first convolution
  int64_t channels;  ///< that it gives
  int64_t kernel = 3, stride = 1;
  Integers pads = Integers(4, kernel / 2);
  int64_t dilation = 1;
  int64_t first_kernel = 1, first_stride = 1;
};

ValueId conv(ModelBuilder& m, ValueId x, const Integers& filter, bool bias, ir::Attrs attrs) {
  std::vector<ValueId> operands = {x, m.parameter(filter, 0.1)};
  if (bias) operands.push_back(m.parameter({filter[0]}));
  return m.add(Op::kConv, operands, std::move(attrs));
}

ir::Attrs attrs_of(int64_t stride, const Integers& pads, int64_t dilation, int64_t groups) {
  return {{"strides", Integers(2, stride)},
          {"pads", pads},
          {"dilations", Integers(2, dilation)},
          {"groups", groups}};
}

ValueId expanded(ModelBuilder& m, const Case& c, ValueId x, bool bias = true) {
  const int64_t kernel = c.first_kernel;
  return conv(m, x, {c.channels, c.input[1], kernel, kernel}, bias,
              attrs_of(c.first_stride, Integers(4, kernel / 2), 1, 1));
}

ValueId depthwise(ModelBuilder& m, const Case& c, ValueId x, bool bias = true) {
  return conv(m, x, {c.channels, 1, c.kernel, c.kernel}, bias,
              attrs_of(c.stride, c.pads, c.dilation, c.channels));
}

ValueId input(ModelBuilder& m, const Case& c) {
  return m.input("x", {c.input.begin(), c.input.end()});
}

ValueId silu(ModelBuilder& m, ValueId x) { return m.add(Op::kMul, {x, m.add(Op::kSigmoid, {x})}); }

/// Whether one kernel has two convolutions.
bool are_fused(const ir::Module& module, const std::string& target = "x86-64-v3") {
  driver::State state{.module = module, .target = *find_target(target)};
  EXPECT_TRUE(driver::run_pipeline(state, "import", "group"));
  return std::ranges::any_of(state.module.groups, [&](const ir::Group& group) {
    return std::ranges::count_if(group.nodes, [&](ir::NodeId node) {
             return state.module.node(node).op == Op::kConv;
           }) > 1;
  });
}

void expect_fused(const ModelBuilder& m, const std::vector<Integers>& inputs) {
  for (const char* target : {"x86-64-v3", "x86-64-v4", "neoverse-n1"})
    EXPECT_TRUE(are_fused(m.module, target)) << target;
  expect_native_equals_reference(m.module, inputs);
}

void expect_fused(const Case& c) {
  SCOPED_TRACE(::testing::PrintToString(c.input) + " to " + std::to_string(c.channels) +
               ", kernel " + std::to_string(c.kernel) + ", stride " + std::to_string(c.stride));
  ModelBuilder m;
  m.output(silu(m, depthwise(m, c, m.add(Op::kRelu, {expanded(m, c, input(m, c))}))));
  expect_fused(m, {c.input});
}

TEST(Expanded, KernelsAndStrides) {
  expect_fused({{1, 8, 72, 72}, 96});
  expect_fused({{1, 8, 72, 72}, 96, 3, 2});
  expect_fused({{2, 8, 52, 52}, 96, 5, 1});
  expect_fused({{1, 8, 72, 72}, 96, 5, 2});
}

TEST(Expanded, SizesThatFillNothing) {
  expect_fused({{1, 5, 77, 69}, 100});
  expect_fused({{1, 5, 77, 69}, 100, 3, 2});
  expect_fused({{1, 3, 131, 130}, 33, 5, 2});
  expect_fused({{1, 3, 290, 290}, 7});
}

TEST(Expanded, SeveralImages) {
  expect_fused({{5, 8, 40, 36}, 80});
  expect_fused({{12, 4, 20, 17}, 150, 5, 2});
}

TEST(Expanded, ZerosOnEverySide) {
  expect_fused({{1, 4, 80, 80}, 90, 3, 1, {0, 0, 0, 0}});
  expect_fused({{1, 4, 80, 80}, 90, 3, 2, {0, 0, 1, 1}});
  expect_fused({{1, 4, 80, 80}, 90, 3, 1, {3, 0, 0, 4}});
  expect_fused({{1, 4, 80, 80}, 90, 3, 2, {0, 5, 6, 0}});
}

TEST(Expanded, Dilation) { expect_fused({{1, 4, 80, 80}, 90, 3, 1, {2, 2, 2, 2}, 2}); }

TEST(Expanded, NoBiasNorEpilogue) {
  const Case c = {{1, 6, 75, 75}, 96};
  ModelBuilder m;
  m.output(depthwise(m, c, expanded(m, c, input(m, c), false), false));
  expect_fused(m, {c.input});
}

TEST(Expanded, EpiloguesThatReadMaps) {
  const Case c = {{1, 6, 75, 75}, 98};
  ModelBuilder m;
  const ValueId x = input(m, c);
  const ValueId a = m.input("a", {1, 98, 75, 75}), b = m.input("b", {1, 98, 75, 75});
  ValueId y = m.add(Op::kAdd, {silu(m, expanded(m, c, x)), a});
  y = depthwise(m, c, m.add(Op::kMul, {y, m.parameter({98, 1, 1})}));
  m.output(m.add(Op::kMul, {m.add(Op::kAdd, {y, b}), m.parameter({98, 1, 1})}));
  expect_fused(m, {c.input, {1, 98, 75, 75}, {1, 98, 75, 75}});
}

/// Its rows are read again after the first of the result have been written.
TEST(Expanded, AMapThatTheFirstEpilogueReadsIsNotWrittenOver) {
  const Case c = {{1, 6, 75, 75}, 96};
  ModelBuilder m;
  const ValueId x = input(m, c);
  const ValueId a = m.add(Op::kRelu, {expanded(m, c, x)});
  const ValueId y = depthwise(m, c, m.add(Op::kAdd, {expanded(m, c, m.add(Op::kNeg, {x})), a}));
  m.output(conv(m, y, {4, 96, 1, 1}, false, attrs_of(1, Integers(4, 0), 1, 1)));
  expect_fused(m, {c.input});
}

TEST(Expanded, WhatOthersReadStaysApart) {
  const Case c = {{1, 6, 75, 75}, 96};
  for (const bool is_output : {true, false}) {
    ModelBuilder m;
    const ValueId map = m.add(Op::kRelu, {expanded(m, c, input(m, c))});
    m.output(depthwise(m, c, map));
    m.output(is_output ? map : m.add(Op::kNeg, {map}));
    EXPECT_FALSE(are_fused(m.module));
    expect_native_equals_reference(m.module, {c.input});
  }
}

TEST(Expanded, WhatDoesNotPayStaysApart) {
  const auto stays = [](const Case& c) {
    ModelBuilder m;
    m.output(depthwise(m, c, m.add(Op::kRelu, {expanded(m, c, input(m, c))})));
    return !are_fused(m.module);
  };
  EXPECT_FALSE(stays({{1, 6, 75, 75}, 96}));
  EXPECT_FALSE(stays({{1, 6, 40, 40}, 64})) << "a map that results push out of the cache";
  EXPECT_TRUE(stays({{1, 6, 40, 40}, 64, 3, 2})) << "few results";
  EXPECT_TRUE(stays({{1, 6, 28, 28}, 96})) << "a map that the cache holds";
  EXPECT_TRUE(stays({{1, 600, 75, 75}, 96})) << "a long reduction";
  EXPECT_TRUE(stays({{1, 6, 8, 1200}, 96, 7})) << "rows that are mostly computed twice";
  EXPECT_TRUE(stays({{1, 6, 75, 75}, 96, 3, 1, {1, 1, 1, 1}, 1, 3})) << "not pointwise";
  EXPECT_TRUE(stays({{1, 6, 150, 150}, 96, 3, 1, {1, 1, 1, 1}, 1, 1, 2})) << "with a stride";
}

TEST(Expanded, SizesKnownWhenRunStayApart) {
  const Case c = {{2, 6, 75, 75}, 96};
  ModelBuilder m;
  const ValueId x = m.input("x", {m.module.dims.symbol("n"), 6, 75, 75});
  m.output(depthwise(m, c, expanded(m, c, x)));
  EXPECT_FALSE(are_fused(m.module));
  expect_native_equals_reference(m.module, {c.input});
}

}  // namespace
}  // namespace tenon
