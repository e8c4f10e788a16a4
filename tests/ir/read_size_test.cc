// Sizes that the model's data decides: what mentions one depends on the scalar it is read from.
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/graph_text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

constexpr const char* kSelected = R"(module "m" {
  input %0 "x": f32[u0, 4]
  %1: i64[4*u0], %2: i64[] = non_zero(%0)
  %3: i64[u1] = slice(%1) {dims = [u1], starts = [0], steps = [1]}
  %4: i64[u1], %5: i64[] = non_zero(%3)
  %6: i64[2] = dims_tensor() {dims = [u1, u2]}
  output %6 "y"
  size u1 = %2 at most 4*u0
  size u2 = %5 at most u1
}
)";

Module selected() {
  Result<Module> module = parse_module(kSelected);
  EXPECT_TRUE(module.has_value());
  return *std::move(module);
}

TEST(ReadSize, TextRoundTrips) {
  const Module module = selected();
  EXPECT_EQ(to_string(module), kSelected);
  EXPECT_EQ(verify(module), "");
  EXPECT_EQ(use_counts(module), (std::vector<uint32_t>{1, 1, 1, 1, 0, 1, 1}));
}

TEST(ReadSize, CleaningUpKeepsWhatSizesAreReadFrom) {
  Module module = selected();
  std::ranges::reverse(module.graph.nodes);
  EXPECT_NE(verify(module), "");
  clean_up(module);
  EXPECT_EQ(verify(module), "");
  EXPECT_EQ(module.graph.nodes.size(), 4u);
  EXPECT_EQ(module.read_sizes.size(), 2u);
  // Without a mention of u2 its scalar is dead, and so is the size.
  module.node(module.graph.nodes.back()).attrs.set("dims", std::vector<Dim>(2, 1));
  clean_up(module);
  EXPECT_EQ(module.graph.nodes.size(), 1u);
  EXPECT_TRUE(module.read_sizes.empty());
}

TEST(ReadSize, FollowsItsValue) {
  Module module = selected();
  replace_uses(module, ValueId(2), ValueId(5));
  EXPECT_EQ(module.read_sizes[0].value, ValueId(5));
}

TEST(ReadSize, TakesASymbolOfItsOwn) {
  Module module = selected();
  const Dim size = module.read_size(ValueId(5), 7);
  EXPECT_EQ(module.dims.to_string(size), "u3");
  EXPECT_TRUE(module.dims.is_read(module.dims.add(size, 1)));
  EXPECT_FALSE(module.dims.is_read(module.dims.symbol("u0")));
  EXPECT_TRUE(module.dims.never_negative(module.dims.sub(7, size)));
}

}  // namespace
}  // namespace tenon::ir
