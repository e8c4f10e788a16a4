// Which results take over the memory of an operand.
#include "passes/graph/update_in_place.h"
#include "base/target.h"
#include "passes/graph/group.h"
#include "passes/graph/place.h"
#include "testing/passes.h"

namespace tenon::passes {
namespace {

using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

/// A sum over the last axis keeps what stands before and after it out of one group.
ValueId sum_of(ModelBuilder& m, ValueId x) {
  return m.add(Op::kReduce, {x},
               {{"kind", std::string("sum")}, {"axes", std::vector<int64_t>{1}}, {"keep", true}});
}

ValueId storage_after(ir::Module& module, ValueId value) {
  group(module, *find_target("native"), {});
  place(module, *find_target("native"));
  update_in_place(module);
  EXPECT_EQ(ir::verify(module), "");
  return module.placements[value.index].storage;
}

TEST(UpdateInPlace, LastReaderTakesOver) {
  ModelBuilder m;
  const auto x = m.input("x", {4, 8});
  const auto a = m.add(Op::kExp, {x});
  const auto b = m.add(Op::kMul, {a, sum_of(m, a)});
  m.output(m.add(Op::kAdd, {sum_of(m, b), b}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), a);
  expect_native_equals_reference(m.module, {{4, 8}});
}

TEST(UpdateInPlace, NotWhileAnotherStillReads) {
  ModelBuilder m;
  const auto x = m.input("x", {4, 8});
  const auto a = m.add(Op::kExp, {x});
  const auto b = m.add(Op::kMul, {a, sum_of(m, a)});
  const auto c = m.add(Op::kAdd, {sum_of(m, b), b});
  m.output(m.add(Op::kMul, {sum_of(m, c), a}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), b);
  expect_native_equals_reference(m.module, {{4, 8}});
}

TEST(UpdateInPlace, NotWhenItIsReadAtOtherPlacesToo) {
  ModelBuilder m;
  const auto x = m.input("x", {8, 8});
  const auto a = m.add(Op::kExp, {x});
  const auto t = m.add(Op::kTranspose, {a}, {{"perm", std::vector<int64_t>{1, 0}}});
  const auto b = m.add(Op::kMul, {a, t});
  m.output(m.add(Op::kAdd, {sum_of(m, b), b}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), b);
  expect_native_equals_reference(m.module, {{8, 8}});
}

TEST(UpdateInPlace, NotWhatTheHeavyNodeReads) {
  ModelBuilder m;
  const auto x = m.input("x", {8, 8});
  const auto a = m.add(Op::kExp, {x});
  const auto b = m.add(Op::kAdd, {m.add(Op::kMatMul, {a, m.parameter({8, 8})}), a});
  m.output(m.add(Op::kAdd, {sum_of(m, b), b}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), b);
  expect_native_equals_reference(m.module, {{8, 8}});
}

TEST(UpdateInPlace, ResidualOfAProduct) {
  ModelBuilder m;
  const auto x = m.input("x", {8, 8});
  const auto a = m.add(Op::kExp, {x});
  const auto c = m.add(Op::kTanh, {m.add(Op::kMatMul, {a, m.parameter({8, 8})})});
  const auto b = m.add(Op::kAdd, {m.add(Op::kMatMul, {c, m.parameter({8, 8})}), a});
  m.output(m.add(Op::kAdd, {sum_of(m, b), b}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), a);
  expect_native_equals_reference(m.module, {{8, 8}});
}

TEST(UpdateInPlace, NeverTheCallersMemoryOrWeights) {
  ModelBuilder m;
  const auto x = m.input("x", {4, 8});
  const auto a = m.add(Op::kExp, {m.add(Op::kAdd, {x, m.parameter({4, 8})})});
  const auto b = m.add(Op::kMul, {a, sum_of(m, a)});
  m.output(a);
  m.output(m.add(Op::kAdd, {sum_of(m, b), b}));
  ir::Module module = m.module;
  EXPECT_EQ(storage_after(module, b), b);
  EXPECT_EQ(module.placements[a.index].storage, a);
  expect_native_equals_reference(m.module, {{4, 8}});
}

}  // namespace
}  // namespace tenon::passes
