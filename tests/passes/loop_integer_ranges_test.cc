#include "passes/loop/integer_ranges.h"

#include <gtest/gtest.h>

#include "ir/loop_builder.h"

namespace tenon::passes {
namespace {

using namespace ir;

constexpr int64_t kLeast = IntegerRange().low, kMost = IntegerRange().high;

/// What the store's index lies between when `index` makes it.
IntegerRange range(const std::function<E(LoopBuilder&, E task)>& index) {
  LoopBuilder b("kernel");
  const BufferId y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  const E task = b.tasks(b.integer(10));
  b.store(y, index(b, task), b.number(1, {DType::kFloat32}));
  const Function function = b.finish();
  for (const Statement& s : function.statements) {
    if (s.kind == StatementKind::kStore) return IntegerRanges(function).of(s.index);
  }
  return {};
}

void expect(int64_t low, int64_t high, const std::function<E(LoopBuilder&, E task)>& index) {
  const IntegerRange found = range(index);
  EXPECT_EQ(found.low, low);
  EXPECT_EQ(found.high, high);
}

TEST(IntegerRanges, FollowArithmetic) {
  expect(0, 9, [](LoopBuilder&, E task) { return task; });
  expect(3, 30, [](LoopBuilder&, E task) { return task * 3 + 3; });
  expect(-27, 0, [](LoopBuilder&, E task) { return task * -3; });
  expect(-8, 10, [](LoopBuilder& b, E task) { return b.let("x", task + 1) - task; });
  expect(0, 2, [](LoopBuilder&, E task) { return task / 4; });
  expect(0, 3, [](LoopBuilder&, E task) { return task % 4; });
  expect(0, 9, [](LoopBuilder&, E task) { return task % 40; });
  expect(0, 4, [](LoopBuilder& b, E task) { return b.min(task, b.integer(4)); });
  expect(4, 9, [](LoopBuilder& b, E task) { return b.max(task, b.integer(4)); });
  expect(-1, 9, [](LoopBuilder& b, E task) { return b.select(task < 5, task, b.integer(-1)); });
}

TEST(IntegerRanges, KnowNothingOfWhatCanBeAnything) {
  expect(kLeast, kMost, [](LoopBuilder& b, E) { return b.param("n"); });
  expect(kLeast, 7, [](LoopBuilder& b, E) { return b.min(b.param("n"), b.integer(7)); });
  expect(kLeast, kMost, [](LoopBuilder&, E task) { return task * (int64_t{1} << 62); });
  expect(kLeast, kMost, [](LoopBuilder& b, E) { return b.param("n") / 2; });
  expect(kLeast, kMost, [](LoopBuilder& b, E task) { return b.let_register("r", task); });
}

TEST(IntegerRanges, OfLoopsAreThoseOfTheirBounds) {
  LoopBuilder b("kernel");
  const BufferId y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  const E task = b.tasks(b.integer(10)), n = b.param("n");
  b.loop("i", task, b.min(n, b.integer(20)), 1,
         [&](E i) { b.store(y, i, b.number(1, {DType::kFloat32})); });
  b.loop("j", n, [&](E j) { b.store(y, j, b.number(1, {DType::kFloat32})); });
  const Function function = b.finish();
  IntegerRanges ranges(function);
  std::vector<IntegerRange> found;
  for (const Statement& s : function.statements) {
    if (s.kind == StatementKind::kStore) found.push_back(ranges.of(s.index));
  }
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[0].low, 0);
  EXPECT_EQ(found[0].high, 19);
  EXPECT_EQ(found[1].low, 0);
  EXPECT_EQ(found[1].high, kMost - 1);
}

}  // namespace
}  // namespace tenon::passes
