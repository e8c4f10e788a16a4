// The attention recipe against reference evaluation: sizes around blocks and lanes, masks of every
// shape, grouped heads, layouts.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

struct Case {
  int64_t batch = 1, heads = 2, groups = 2, queries = 5, keys = 5, features = 8, values = 8;
  std::vector<int64_t> mask = {};
  DType mask_dtype = DType::kFloat32;
  bool causal = false;
};

ir::Attrs attrs(bool causal, bool guarded = true) {
  return {{"scale", 0.3}, {"causal", causal}, {"guarded", guarded}};
}

void expect_attention(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c.queries << " queries of " << c.features << ", " << c.keys
                                    << " keys, mask of rank " << c.mask.size());
  ModelBuilder m;
  std::vector<std::vector<int64_t>> shapes = {{c.batch, c.heads, c.queries, c.features},
                                              {c.batch, c.groups, c.keys, c.features},
                                              {c.batch, c.groups, c.keys, c.values}};
  if (!c.mask.empty()) shapes.push_back(c.mask);
  std::vector<ValueId> operands;
  for (const auto& shape : shapes) {
    const std::vector<Dim> dims(shape.begin(), shape.end());
    const bool is_mask = operands.size() == 3;
    operands.push_back(m.input("x", dims, is_mask ? c.mask_dtype : DType::kFloat32));
  }
  m.output(m.add(Op::kAttention, operands, attrs(c.causal)));
  expect_native_equals_reference(m.module, shapes);
}

TEST(AttentionRecipe, SizesAroundBlocksAndLanes) {
  for (int64_t queries : {1, 15, 16, 17, 49, 64, 65, 131}) {
    expect_attention({.queries = queries, .keys = 7});
    expect_attention({.queries = queries, .keys = 64, .features = 20, .values = 33});
  }
  for (int64_t keys : {1, 6, 13, 50}) expect_attention({.queries = 3, .keys = keys});
  for (int64_t features : {1, 3, 16, 30}) expect_attention({.features = features});
  for (int64_t values : {1, 16, 70, 128}) expect_attention({.values = values});
}

TEST(AttentionRecipe, MasksOfEveryShape) {
  for (const auto& mask : std::vector<std::vector<int64_t>>{
           {2, 2, 21, 37}, {1, 2, 21, 37}, {21, 37}, {2, 1, 1, 37}, {37}, {2, 2, 21, 1}, {1}}) {
    for (DType dtype : {DType::kFloat32, DType::kBool}) {
      expect_attention({.batch = 2, .queries = 21, .keys = 37, .mask = mask, .mask_dtype = dtype});
    }
  }
}

TEST(AttentionRecipe, CausalWithMoreAndFewerKeys) {
  for (int64_t keys : {16, 40, 100}) {
    expect_attention({.queries = 40, .keys = keys, .causal = true});
    expect_attention({.queries = 40, .keys = keys, .mask = {40, keys}, .causal = true});
  }
}

TEST(AttentionRecipe, HeadsThatShareKeys) {
  expect_attention({.batch = 2, .heads = 6, .groups = 2, .queries = 19});
  expect_attention({.batch = 2, .heads = 6, .groups = 2, .queries = 1, .keys = 30});
  expect_attention({.heads = 4, .groups = 1, .queries = 1, .keys = 30, .mask = {1, 4, 1, 30}});
  expect_attention({.heads = 4, .groups = 1, .queries = 1, .keys = 30, .causal = true});
}

TEST(AttentionRecipe, OneQuery) {
  expect_attention(
      {.batch = 2, .heads = 4, .queries = 1, .keys = 37, .features = 70, .values = 20});
  expect_attention({.queries = 1, .keys = 32, .values = 150, .mask = {32}});
  for (DType dtype : {DType::kFloat32, DType::kBool}) {
    expect_attention({.queries = 1, .keys = 5, .mask = {1, 2, 1, 5}, .mask_dtype = dtype});
    expect_attention({.queries = 1, .keys = 70, .mask = {1, 2, 1, 1}, .mask_dtype = dtype});
  }
  expect_attention({.heads = 16, .groups = 2, .queries = 1, .keys = 30, .mask = {1, 16, 1, 30}});
}

TEST(AttentionRecipe, KeysThatTheCacheDoesNotHold) {
  expect_attention({.heads = 1, .groups = 1, .queries = 70, .keys = 5000});
  expect_attention({.heads = 1, .groups = 1, .queries = 3, .keys = 9000, .values = 20});
  expect_attention({.heads = 1, .groups = 1, .queries = 2200, .keys = 2200, .causal = true});
  expect_attention({.heads = 1,
                    .groups = 1,
                    .queries = 33,
                    .keys = 5000,
                    .mask = {33, 5000},
                    .mask_dtype = DType::kBool});
}

TEST(AttentionRecipe, SizesKnownWhenRun) {
  ModelBuilder m;
  const Dim batch = m.module.dims.symbol("n"), length = m.module.dims.symbol("s");
  const ValueId x = m.input("x", {batch, length, 2, 24});
  const ValueId heads = m.add(Op::kTranspose, {x}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  const ValueId mask = m.input("mask", {batch, 1, 1, length}, DType::kBool);
  m.output(m.add(Op::kAttention, {heads, heads, heads, mask}, attrs(false)));
  m.output(m.add(Op::kAttention, {heads, heads, heads}, attrs(true)));
  for (int64_t n : {1, 70}) {
    expect_native_equals_reference(m.module, {{2, n, 2, 24}, {2, 1, 1, n}});
  }
}

// Queries, keys and values as slices of one product, the result merged again: all of it in place.
TEST(AttentionRecipe, ReadsProjectionsInPlace) {
  ModelBuilder m;
  const ValueId x = m.input("x", {1, 20, 3 * 2 * 16});
  std::vector<ValueId> operands;
  for (int64_t i = 0; i < 3; ++i) {
    const ValueId part = m.add(Op::kSlice, {x},
                               {{"starts", std::vector<Dim>{0, 0, i * 32}},
                                {"dims", std::vector<Dim>{1, 20, 32}},
                                {"steps", std::vector<int64_t>{1, 1, 1}}});
    const ValueId split = m.add(Op::kReshape, {part}, {{"dims", std::vector<Dim>{1, 20, 2, 16}}});
    operands.push_back(
        m.add(Op::kTranspose, {split}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}));
  }
  const ValueId y = m.add(Op::kAttention, operands, attrs(false));
  const ValueId merged = m.add(Op::kTranspose, {y}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  m.output(
      m.add(Op::kExp, {m.add(Op::kReshape, {merged}, {{"dims", std::vector<Dim>{1, 20, 32}}})}));
  expect_native_equals_reference(m.module, {{1, 20, 96}});
}

}  // namespace
}  // namespace tenon
