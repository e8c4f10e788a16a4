// The Winograd recipe against reference evaluation of the plain convolution: odd sizes, tails,
// windows, epilogues, open batch sizes; and when it is chosen.
#include <algorithm>

#include "passes/graph/use_winograd.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

ir::Attrs conv_attrs(std::vector<int64_t> pads = {1, 1, 1, 1}, int64_t stride = 1) {
  return {{"strides", std::vector<int64_t>{stride, stride}},
          {"pads", std::move(pads)},
          {"dilations", std::vector<int64_t>{1, 1}},
          {"groups", int64_t{1}}};
}

/// Convolutions of the module that Winograd's algorithm takes over.
int64_t winograd_nodes(ir::Module module, const std::string& target = "native") {
  passes::use_winograd(module, *find_target(target));
  return std::ranges::count_if(module.graph.nodes, [&](ir::NodeId node) {
    return module.node(node).op == Op::kWinogradConv;
  });
}

void expect_winograd(std::vector<int64_t> input, int64_t outputs, std::vector<int64_t> pads,
                     const std::string& target = "native") {
  SCOPED_TRACE(::testing::PrintToString(input));
  ModelBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  const auto filter = [&] { return m.parameter({outputs, input[1], 3, 3}, 0.1); };
  const auto a = m.add(Op::kConv, {x, filter(), m.parameter({outputs})}, conv_attrs(pads));
  const auto b = m.add(Op::kConv, {x, filter(), ir::ValueId()}, conv_attrs(pads));
  m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {a, b})}));
  EXPECT_EQ(winograd_nodes(m.module, target), 2);
  expect_native_equals_reference(m.module, {input});
}

TEST(WinogradRecipe, EverySizeOfTile) {
  expect_winograd({1, 64, 16, 16}, 64, {1, 1, 1, 1});
  expect_winograd({1, 64, 9, 9}, 96, {1, 1, 1, 1});
  expect_winograd({1, 32, 13, 23}, 48, {1, 1, 1, 1});
}

TEST(WinogradRecipe, ChannelsThatFillNoVector) {
  expect_winograd({1, 37, 14, 14}, 53, {1, 1, 1, 1});
  expect_winograd({2, 50, 9, 10}, 150, {1, 1, 1, 1});
}

TEST(WinogradRecipe, WindowsAndBatches) {
  expect_winograd({1, 48, 18, 15}, 64, {0, 0, 0, 0});
  expect_winograd({3, 64, 9, 12}, 64, {2, 0, 1, 2});
  expect_winograd({5, 64, 28, 28}, 32, {1, 1, 1, 1});
}

TEST(WinogradRecipe, AnOlderTarget) {
  expect_winograd({1, 64, 7, 7}, 96, {1, 1, 1, 1}, "x86-64-v3");
  expect_winograd({1, 64, 14, 14}, 80, {1, 1, 1, 1}, "x86-64-v3");
  expect_winograd({1, 40, 7, 7}, 64, {1, 1, 1, 1}, "x86-64-v3");
}

TEST(WinogradRecipe, ManyChannelsAreSeveralTasks) {
  expect_winograd({1, 64, 8, 8}, 512, {1, 1, 1, 1});
}

TEST(WinogradRecipe, BatchKnownWhenRun) {
  ModelBuilder m;
  const auto x = m.input("x", {m.module.dims.symbol("n"), 64, 14, 14});
  m.output(
      m.add(Op::kConv, {x, m.parameter({64, 64, 3, 3}, 0.1), m.parameter({64})}, conv_attrs()));
  EXPECT_EQ(winograd_nodes(m.module), 1);
  expect_native_equals_reference(m.module, {{1, 64, 14, 14}});
  expect_native_equals_reference(m.module, {{3, 64, 14, 14}});
}

TEST(WinogradRecipe, OnlyWhereItGains) {
  auto chosen = [](std::vector<int64_t> input, std::vector<int64_t> filter, ir::Attrs attrs) {
    ModelBuilder m;
    const auto x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
    m.output(m.add(Op::kConv, {x, m.parameter(filter), ir::ValueId()}, std::move(attrs)));
    return winograd_nodes(m.module);
  };
  EXPECT_EQ(chosen({1, 64, 14, 14}, {64, 64, 3, 3}, conv_attrs()), 1);
  EXPECT_EQ(chosen({1, 64, 14, 14}, {64, 64, 3, 3}, conv_attrs({1, 1, 1, 1}, 2)), 0);
  EXPECT_EQ(chosen({1, 64, 14, 14}, {64, 64, 1, 1}, conv_attrs({0, 0, 0, 0})), 0);
  EXPECT_EQ(chosen({1, 3, 32, 32}, {64, 3, 3, 3}, conv_attrs()), 0);              // all transforms
  EXPECT_EQ(chosen({1, 64, 3, 3}, {64, 64, 3, 3}, conv_attrs({0, 0, 0, 0})), 0);  // one result
  ModelBuilder m;
  const auto x = m.input("x", {1, 64, 14, 14}), w = m.input("w", {64, 64, 3, 3});
  m.output(m.add(Op::kConv, {x, w, ir::ValueId()}, conv_attrs()));
  EXPECT_EQ(winograd_nodes(m.module), 0);  // the filter is not constant
}

TEST(WinogradRecipe, FiltersDoNotGrowBeyondBounds) {
  ModelBuilder m;
  auto conv = [&](int64_t size) {
    const auto x = m.input("x", {1, 512, size, size});
    m.output(m.add(Op::kConv, {x, m.parameter({512, 512, 3, 3}), ir::ValueId()}, conv_attrs()));
  };
  for (int64_t size : {14, 14, 28, 14, 14}) conv(size);
  passes::use_winograd(m.module, *find_target("x86-64-v4"));
  int64_t bytes = 0;
  std::vector<int64_t> tiles;
  for (ir::NodeId id : m.module.graph.nodes) {
    const ir::Node& node = m.module.node(id);
    if (node.op != Op::kConv && node.op != Op::kWinogradConv) continue;
    int64_t count = 1;
    for (ir::Dim dim : m.module.value(node.inputs[1]).type.dims) count *= dim.value();
    bytes += 4 * count;
    tiles.push_back(node.attrs.integer_or("tile", 1));
  }
  constexpr int64_t kDirect = int64_t{5} * 512 * 512 * 9 * 4;
  EXPECT_LE(bytes, kDirect + (64 << 20));
  EXPECT_GT(bytes, kDirect + (32 << 20));  // as far as it goes
  ASSERT_EQ(tiles.size(), 5);
  EXPECT_EQ(tiles[2], 4);  // gains most
}

}  // namespace
}  // namespace tenon
