// Max pools alone, and with the convolution before them, against reference evaluation: windows and
// sizes of every kind, and what has to stay apart.
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
  Integers input, filter, window;
  int64_t pad = 0, stride = 1, dilation = 1, groups = 1;
};

ir::Attrs pool_attrs(const Integers& window, const Integers& strides, int64_t pad = 0,
                     bool ceil = false) {
  return {{"kernel", window},
          {"strides", strides},
          {"pads", Integers(2 * window.size(), pad)},
          {"dilations", Integers(window.size(), 1)},
          {"ceil", ceil}};
}

ValueId conv(ModelBuilder& m, const Case& c, std::vector<ir::Dim> input) {
  const size_t spatial = c.window.size();
  return m.add(
      Op::kConv,
      {m.input("x", std::move(input)), m.parameter(c.filter, 0.1), m.parameter({c.filter[0]})},
      {{"strides", Integers(spatial, c.stride)},
       {"pads", Integers(2 * spatial, c.pad)},
       {"dilations", Integers(spatial, c.dilation)},
       {"groups", c.groups}});
}

/// Whether some group has more than one node that is not elementwise, on a target with registers
/// for all windows of these tests.
bool pools_along(const ir::Module& module) {
  driver::State state{.module = module, .target = *find_target("x86-64-v4")};
  EXPECT_TRUE(driver::run_pipeline(state, "import", "group"));
  return std::ranges::any_of(state.module.groups, [&](const ir::Group& group) {
    return std::ranges::any_of(group.nodes, [&](ir::NodeId node) {
      return node != group.anchor && state.module.node(node).op == Op::kMaxPool;
    });
  });
}

void expect_pooled(const Case& c) {
  SCOPED_TRACE(::testing::PrintToString(c.input) + " * " + ::testing::PrintToString(c.filter));
  ModelBuilder m;
  const ValueId x = conv(m, c, {c.input.begin(), c.input.end()});
  m.output(m.add(Op::kMaxPool, {m.add(Op::kRelu, {x})}, pool_attrs(c.window, c.window)));
  EXPECT_TRUE(pools_along(m.module));
  expect_native_equals_reference(m.module, {c.input});
}

TEST(PooledConv, ShortReductions) {
  expect_pooled({{1, 1, 26, 26}, {16, 1, 3, 3}, {2, 2}});
  expect_pooled({{2, 1, 12, 11}, {20, 1, 3, 3}, {2, 2}, 1});
  expect_pooled({{1, 5, 9, 10}, {7, 5, 1, 1}, {2, 2}});
}

TEST(PooledConv, LongReductions) {
  expect_pooled({{1, 3, 17, 23}, {64, 3, 3, 3}, {2, 2}, 1});
  expect_pooled({{2, 20, 13, 9}, {37, 20, 5, 5}, {2, 2}, 2, 2});
  expect_pooled({{1, 8, 19, 15}, {24, 8, 3, 3}, {2, 2}, 2, 1, 2});
}

TEST(PooledConv, WindowsAndAxesOfEveryKind) {
  expect_pooled({{1, 6, 20, 16}, {16, 6, 3, 3}, {3, 1}});
  expect_pooled({{1, 6, 20, 16}, {16, 6, 3, 3}, {1, 4}});
  expect_pooled({{2, 6, 31}, {9, 6, 5}, {3}});
  expect_pooled({{1, 4, 7, 9, 8}, {12, 4, 3, 3, 3}, {2, 2, 2}, 1});
}

TEST(PooledConv, Groups) { expect_pooled({{1, 16, 10, 10}, {32, 8, 3, 3}, {2, 2}, 1, 1, 1, 2}); }

TEST(PooledConv, PartsOfALongReduction) {
  expect_pooled({{1, 640, 8, 8}, {40, 640, 5, 5}, {2, 2}, 2});
}

TEST(PooledConv, Winograd) {
  expect_pooled({{1, 64, 16, 16}, {64, 64, 3, 3}, {2, 2}, 1});
  expect_pooled({{1, 64, 15, 21}, {50, 64, 3, 3}, {2, 2}, 1});
}

TEST(PooledConv, SizesKnownWhenRun) {
  ModelBuilder m;
  const ir::Dim batch = m.module.dims.symbol("n"), height = m.module.dims.symbol("h");
  const Case c = {{}, {24, 3, 3, 3}, {2, 2}, 1};
  const ValueId x = conv(m, c, {batch, 3, height, 12});
  m.output(m.add(Op::kMaxPool, {x}, pool_attrs(c.window, c.window)));
  EXPECT_TRUE(pools_along(m.module));
  expect_native_equals_reference(m.module, {{2, 3, 11, 12}});
  expect_native_equals_reference(m.module, {{1, 3, 6, 12}});
}

TEST(PooledConv, WindowsThatShareElementsStayApart) {
  const Case c = {{1, 3, 12, 12}, {16, 3, 3, 3}, {2, 2}, 1};
  for (const ir::Attrs& attrs : {pool_attrs({3, 3}, {2, 2}), pool_attrs({2, 2}, {2, 2}, 1),
                                 pool_attrs({5, 5}, {5, 5}, 0, true)}) {
    ModelBuilder m;
    m.output(m.add(Op::kMaxPool, {conv(m, c, {1, 3, 12, 12})}, attrs));
    EXPECT_FALSE(pools_along(m.module));
    expect_native_equals_reference(m.module, {c.input});
  }
}

TEST(PooledConv, AResultThatOthersReadStaysApart) {
  ModelBuilder m;
  const Case c = {{1, 3, 12, 12}, {16, 3, 3, 3}, {2, 2}, 1};
  const ValueId x = m.add(Op::kRelu, {conv(m, c, {1, 3, 12, 12})});
  m.output(m.add(Op::kMaxPool, {x}, pool_attrs(c.window, c.window)));
  m.output(m.add(Op::kNeg, {x}));
  EXPECT_FALSE(pools_along(m.module));
  expect_native_equals_reference(m.module, {c.input});
}

void expect_pool(Integers input, const ir::Attrs& attrs) {
  SCOPED_TRACE(::testing::PrintToString(input));
  ModelBuilder m;
  const ValueId x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  m.output(m.add(Op::kNeg, {m.add(Op::kMaxPool, {x}, attrs)}));
  expect_native_equals_reference(m.module, {input});
}

TEST(MaxPoolRecipe, WindowsThatOverlapAndReachBeyondTheEdge) {
  expect_pool({1, 16, 13, 12}, pool_attrs({3, 3}, {2, 2}, 1));
  expect_pool({2, 24, 9, 11}, pool_attrs({3, 2}, {1, 2}, 1));
  expect_pool({1, 64, 14, 14}, pool_attrs({3, 3}, {2, 2}, 0, true));
  expect_pool({1, 17, 7, 8}, pool_attrs({2, 2}, {3, 3}));
}

TEST(MaxPoolRecipe, ChannelsThatFillNoVector) {
  for (const int64_t channels : {8, 11, 70, 100, 130})
    expect_pool({1, channels, 6, 5}, pool_attrs({3, 3}, {2, 2}, 1));
}

TEST(MaxPoolRecipe, OneAxisAndThree) {
  expect_pool({2, 20, 31}, pool_attrs({5}, {2}, 2));
  expect_pool({1, 33, 6, 7, 5}, pool_attrs({3, 3, 3}, {2, 1, 2}, 1));
}

TEST(MaxPoolRecipe, SizesKnownWhenRun) {
  ModelBuilder m;
  const ValueId x = m.input("x", {m.module.dims.symbol("n"), 20, m.module.dims.symbol("h"), 9});
  m.output(m.add(Op::kMaxPool, {x}, pool_attrs({3, 3}, {2, 2}, 1)));
  expect_native_equals_reference(m.module, {{2, 20, 11, 9}});
  expect_native_equals_reference(m.module, {{1, 20, 2, 9}});
}

}  // namespace
}  // namespace tenon
