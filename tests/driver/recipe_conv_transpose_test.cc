// The transposed convolution recipe against reference evaluation: every relation of kernel, stride
// and padding, groups, tails, epilogues, open sizes.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

struct Case {
  std::vector<int64_t> input, filter, strides, pads;
  std::vector<int64_t> output_padding = std::vector<int64_t>(strides.size(), 0);
  int64_t groups = 1;
  std::vector<int64_t> dilations = std::vector<int64_t>(strides.size(), 1);

  ir::Attrs attrs() const {
    return {{"strides", strides},
            {"pads", pads},
            {"dilations", dilations},
            {"groups", groups},
            {"output_padding", output_padding}};
  }
};

void expect_transpose(const Case& c) {
  SCOPED_TRACE(::testing::PrintToString(c.input) + " * " + ::testing::PrintToString(c.filter));
  ModelBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(c.input.begin(), c.input.end()));
  const auto biased =
      m.add(Op::kConvTranspose, {x, m.parameter(c.filter), m.parameter({c.filter[1] * c.groups})},
            c.attrs());
  const auto plain =
      m.add(Op::kConvTranspose, {x, m.parameter(c.filter), ir::ValueId()}, c.attrs());
  m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {biased, plain})}));
  expect_native_equals_reference(m.module, {c.input});
}

TEST(ConvTransposeRecipe, TapsWithoutOverlap) {
  expect_transpose({{1, 32, 5, 6}, {32, 20, 2, 2}, {2, 2}, {0, 0, 0, 0}});
  expect_transpose({{2, 5, 4, 3}, {5, 70, 3, 2}, {3, 2}, {0, 0, 0, 0}});
  expect_transpose({{1, 8, 4, 5}, {8, 16, 2, 2}, {2, 2}, {0, 0, 0, 0}});
}

TEST(ConvTransposeRecipe, TapsThatOverlap) {
  expect_transpose({{1, 16, 6, 5}, {16, 24, 4, 4}, {2, 2}, {1, 1, 1, 1}});
  expect_transpose({{2, 8, 5, 5}, {8, 9, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}});
  expect_transpose({{1, 8, 5, 4}, {8, 9, 3, 3}, {2, 2}, {1, 0, 1, 2}});
  expect_transpose({{1, 8, 4, 4}, {8, 9, 3, 3}, {1, 1}, {1, 1, 1, 1}});
  expect_transpose({{1, 8, 4, 7}, {8, 9, 5, 1}, {3, 4}, {4, 0, 2, 0}, {1, 2}});
}

TEST(ConvTransposeRecipe, MapsOfOnePixel) {
  expect_transpose({{1, 100, 1, 1}, {100, 40, 4, 4}, {1, 1}, {0, 0, 0, 0}});
  expect_transpose({{2, 33, 1, 1}, {33, 9, 3, 3}, {2, 2}, {0, 0, 0, 0}});
}

TEST(ConvTransposeRecipe, GroupsAndAxes) {
  expect_transpose({{1, 12, 4, 4}, {12, 5, 4, 4}, {2, 2}, {1, 1, 1, 1}, {0, 0}, 3});
  expect_transpose({{2, 6, 9}, {6, 7, 4}, {2}, {1, 1}});
  expect_transpose({{1, 4, 3, 2, 3}, {4, 5, 2, 3, 2}, {2, 2, 2}, {0, 1, 0, 0, 0, 0}});
}

TEST(ConvTransposeRecipe, DilatedFiltersStayPlain) {
  expect_transpose({{1, 4, 5, 5}, {4, 6, 3, 3}, {2, 2}, {1, 1, 1, 1}, {0, 0}, 1, {2, 1}});
}

TEST(ConvTransposeRecipe, SizesKnownWhenRun) {
  ModelBuilder m;
  const auto x = m.input("x", {m.module.dims.symbol("n"), 10, m.module.dims.symbol("h"), 6});
  const Case c{{}, {}, {2, 2}, {1, 1, 1, 0}};
  m.output(
      m.add(Op::kConvTranspose, {x, m.parameter({10, 12, 3, 4}), m.parameter({12})}, c.attrs()));
  expect_native_equals_reference(m.module, {{2, 10, 5, 6}});
  expect_native_equals_reference(m.module, {{1, 10, 1, 6}});
}

}  // namespace
}  // namespace tenon
