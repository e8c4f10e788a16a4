// Operations of nodes, counted by hand.
#include "ops/cost.h"

#include "testing/models.h"

namespace tenon::ops {
namespace {

using ir::Op;
using ir::ValueId;
using testing::ModelBuilder;

int64_t flops_of(ModelBuilder& m, ValueId made) {
  return flops(m.module, m.module.node(m.module.producer(made))).value();
}

TEST(Flops, OfHeavyOperatorsAreTwoForEachMultiplyAdd) {
  ModelBuilder m;
  const ValueId x = m.input("x", {2, 3, 5});
  EXPECT_EQ(flops_of(m, m.add(Op::kMatMul, {x, m.parameter({5, 7})})), 2 * 2 * 3 * 5 * 7);
}

TEST(Flops, OfElementwiseNodesAreThoseOfTheirMeaning) {
  ModelBuilder m;
  const ValueId x = m.input("x", {2, 3});
  const int64_t exp = ir::flops(ir::ExprKind::kExp);
  EXPECT_GT(exp, 10);
  EXPECT_EQ(flops_of(m, m.add(Op::kAdd, {x, x})), 6);
  EXPECT_EQ(flops_of(m, m.add(Op::kRelu, {x})), 6) << "one at least";
  EXPECT_EQ(flops_of(m, m.add(Op::kExp, {x})), 6 * exp);
  EXPECT_EQ(flops_of(m, m.add(Op::kSilu, {x})), 6 * (exp + 2)) << "x / (1 + exp(-x))";
}

}  // namespace
}  // namespace tenon::ops
