// The convolution recipes against reference evaluation: odd sizes, every kind of window, tails,
// epilogues.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

struct Case {
  std::vector<int64_t> input, filter;
  std::vector<int64_t> strides, pads, dilations;
  int64_t groups;
};

void expect_conv(const Case& c) {
  SCOPED_TRACE(::testing::PrintToString(c.input) + " * " + ::testing::PrintToString(c.filter));
  ModelBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(c.input.begin(), c.input.end()));
  const ir::Attrs attrs = {
      {"strides", c.strides}, {"pads", c.pads}, {"dilations", c.dilations}, {"groups", c.groups}};
  const auto conv = m.add(Op::kConv, {x, m.parameter(c.filter), m.parameter({c.filter[0]})}, attrs);
  const auto plain = m.add(Op::kConv, {x, m.parameter(c.filter), ir::ValueId()}, attrs);
  m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {conv, plain})}));
  expect_native_equals_reference(m.module, {c.input});
}

TEST(DepthwiseRecipe, ThreeByThree) {
  expect_conv({{2, 16, 9, 11}, {16, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 16});
  expect_conv({{1, 13, 7, 7}, {13, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 13});
  expect_conv({{2, 40, 9, 14}, {40, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 40});
  expect_conv({{1, 8, 15, 10}, {8, 1, 3, 3}, {2, 1}, {0, 1, 1, 0}, {1, 1}, 8});
}

TEST(DepthwiseRecipe, DilatedAndUnevenWindows) {
  expect_conv({{1, 20, 12, 13}, {20, 1, 3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 20});
  expect_conv({{1, 9, 12, 13}, {9, 1, 3, 2}, {1, 3}, {0, 2, 3, 1}, {2, 1}, 9});
  expect_conv({{1, 9, 6, 7}, {9, 1, 1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 9});
}

TEST(DepthwiseRecipe, LargeKernels) {
  expect_conv({{2, 36, 13, 15}, {36, 1, 5, 5}, {1, 1}, {2, 2, 2, 2}, {1, 1}, 36});
  expect_conv({{1, 70, 11, 9}, {70, 1, 5, 5}, {2, 2}, {2, 2, 2, 2}, {1, 1}, 70});
  expect_conv({{1, 24, 10, 9}, {24, 1, 7, 7}, {1, 1}, {3, 3, 3, 3}, {1, 1}, 24});
  expect_conv({{1, 12, 5, 40}, {12, 1, 1, 31}, {1, 1}, {0, 15, 0, 15}, {1, 1}, 12});
}

TEST(DepthwiseRecipe, OneAxisAndOneChannel) {
  expect_conv({{2, 11, 17}, {11, 1, 3}, {1}, {1, 1}, {1}, 11});
  expect_conv({{1, 1, 8, 9}, {1, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});
}

TEST(DepthwiseRecipe, SeveralOutputsForEachChannel) {
  for (const int64_t outputs : {2, 4, 8, 16}) {
    SCOPED_TRACE(outputs);
    for (const int64_t channels : {3, 16, 21}) {
      expect_conv({{2, channels, 9, 11},
                   {channels * outputs, 1, 3, 3},
                   {1, 1},
                   {1, 1, 1, 1},
                   {1, 1},
                   channels});
    }
  }
  expect_conv({{1, 20, 13, 15}, {40, 1, 7, 7}, {2, 2}, {3, 3, 3, 3}, {1, 1}, 20});
  expect_conv({{1, 9, 12, 13}, {27, 1, 3, 2}, {1, 3}, {0, 2, 3, 1}, {2, 1}, 9});
  expect_conv({{2, 11, 17}, {44, 1, 3}, {1}, {1, 1}, {1}, 11});
}

TEST(DepthwiseRecipe, SizesKnownWhenRun) {
  ModelBuilder m;
  const ir::Dim height = m.module.dims.symbol("h"), width = m.module.dims.symbol("w");
  const auto x = m.input("x", {m.module.dims.symbol("n"), 10, height, width});
  m.output(m.add(Op::kConv, {x, m.parameter({10, 1, 3, 3}), m.parameter({10})},
                 {{"strides", std::vector<int64_t>{2, 1}},
                  {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                  {"dilations", std::vector<int64_t>{1, 1}},
                  {"groups", int64_t{10}}}));
  expect_native_equals_reference(m.module, {{2, 10, 9, 14}});
  expect_native_equals_reference(m.module, {{1, 10, 4, 3}});
}

TEST(ConvRecipe, MapsOfOnePixelOrRow) {
  expect_conv({{1, 100, 1, 1}, {48, 100, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});
  expect_conv({{2, 20, 1, 1}, {20, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 20});
  expect_conv({{2, 20, 1, 7}, {30, 20, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});
  expect_conv({{1, 20, 7, 1}, {30, 20, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});
  expect_conv({{1, 36, 1}, {30, 36, 5}, {1}, {2, 2}, {1}, 1});
}

TEST(ConvRecipe, LongReductionsAreDoneInParts) {
  expect_conv({{1, 512, 5, 6}, {40, 512, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});
}

TEST(GroupedConv, GroupsOfEverySize) {
  for (const int64_t channels : {2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 32, 48}) {
    const int64_t all = 3 * channels;
    expect_conv({{2, all, 5, 9}, {all, channels, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 3});
  }
}

TEST(GroupedConv, EveryWindow) {
  expect_conv({{2, 40, 9, 13}, {40, 4, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 10});
  expect_conv({{1, 24, 9, 10}, {24, 8, 3, 3}, {2, 1}, {0, 1, 1, 0}, {1, 1}, 3});
  expect_conv({{1, 32, 12, 13}, {32, 16, 3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 2});
  expect_conv({{1, 16, 12, 13}, {16, 8, 3, 2}, {1, 3}, {0, 2, 3, 1}, {2, 1}, 2});
  expect_conv({{1, 72, 6, 7}, {72, 24, 5, 5}, {2, 2}, {2, 2, 2, 2}, {1, 1}, 3});
  expect_conv({{2, 40, 6, 5}, {40, 20, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 2});
  expect_conv({{1, 8, 5, 40}, {8, 2, 1, 15}, {1, 1}, {0, 7, 0, 7}, {1, 1}, 4});
  expect_conv({{2, 24, 17}, {24, 4, 3}, {2}, {1, 1}, {1}, 6});
}

TEST(GroupedConv, MoreOrFewerOutputsThanInputs) {
  expect_conv({{2, 16, 9, 7}, {12, 4, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4});
  expect_conv({{1, 15, 8, 8}, {57, 5, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 3});
  expect_conv({{1, 16, 6, 9}, {64, 8, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2});
  expect_conv({{1, 64, 6, 9}, {32, 32, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2});
  expect_conv({{1, 4, 6, 5}, {8, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4});
}

TEST(GroupedConv, SizesKnownWhenRun) {
  ModelBuilder m;
  const ir::Dim height = m.module.dims.symbol("h"), width = m.module.dims.symbol("w");
  const auto x = m.input("x", {m.module.dims.symbol("n"), 36, height, width});
  m.output(m.add(Op::kConv, {x, m.parameter({36, 4, 3, 3}), m.parameter({36})},
                 {{"strides", std::vector<int64_t>{2, 1}},
                  {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                  {"dilations", std::vector<int64_t>{1, 1}},
                  {"groups", int64_t{9}}}));
  expect_native_equals_reference(m.module, {{2, 36, 9, 14}});
  expect_native_equals_reference(m.module, {{1, 36, 4, 3}});
}

}  // namespace
}  // namespace tenon
