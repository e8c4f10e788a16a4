#include <gtest/gtest.h>

#include "ops/op.h"
#include "testing/evaluate.h"

namespace tenon::ops {
namespace {

using ir::DType;
using ir::Op;

TEST(Registry, EveryRowHasItsRules) {
  for (size_t i = 0; i < ir::op_count(); ++i) {
    const auto op = static_cast<Op>(i);
    SCOPED_TRACE(ir::info(op).name);
    const Operator& meaning = operator_of(op);
    EXPECT_EQ(meaning.infer == nullptr, meaning.traits.leaf);
    EXPECT_EQ(meaning.evaluate == nullptr, meaning.traits.leaf);
    EXPECT_EQ(meaning.to_loops == nullptr, meaning.traits.leaf);
    EXPECT_TRUE(meaning.traits.elementwise || !ir::info(op).elementwise);
  }
}

TEST(Registry, AddAppendsANodeWithInferredTypes) {
  ir::Module module;
  ir::Dim n = module.dims.symbol("n");
  ir::ValueId x = module.add_input({DType::kFloat32, {n, 3}}, "x");
  ir::ValueId bias = add_constant(module, Tensor::of<float>(DType::kFloat32, {3}, {1, 2, 3}), {});
  auto sum = add(module, Op::kAdd, {x, bias}, {}, {});
  ASSERT_TRUE(sum.has_value()) << sum.error().text();
  EXPECT_EQ(ir::to_string(module.dims, module.value(*sum).type), "f32[n, 3]");
  ASSERT_EQ(module.graph.nodes.size(), 2U);
  EXPECT_EQ(module.graph.nodes.back(), module.producer(*sum));
  EXPECT_EQ(module.constant(bias)->bytes.size(), 12U);
}

TEST(Registry, AddNamesOperatorOperandsAndOriginInErrors) {
  ir::Module module;
  ir::ValueId x = module.add_input({DType::kFloat32, {2, 3}}, "x");
  ir::ValueId y = module.add_input({DType::kFloat32, {2}}, "y");
  ir::OriginId origin = module.add_origin({"block/add (Add)", "model.py:7"});
  auto sum = add(module, Op::kAdd, {x, y}, {}, origin);
  ASSERT_FALSE(sum.has_value());
  EXPECT_EQ(sum.error().kind, ErrorKind::kBadShape);
  const Diagnostic& diagnostic = sum.error().diagnostics.front();
  EXPECT_EQ(diagnostic.message,
            "add(f32[2, 3], f32[2]): shapes [2, 3] and [2] do not broadcast: 3 against 2");
  EXPECT_EQ(diagnostic.where.node, "block/add (Add)");
  EXPECT_EQ(diagnostic.where.source, "model.py:7");
  EXPECT_TRUE(module.graph.nodes.empty());
}

TEST(Registry, AWrongNumberOfOperandsIsOurBug) {
  ir::Module module;
  ir::ValueId x = module.add_input({DType::kFloat32, {2}}, "x");
  EXPECT_THROW(static_cast<void>(add(module, Op::kAdd, {x}, {}, {})), InternalError);
  EXPECT_THROW(static_cast<void>(add(module, Op::kRelu, {x, x}, {}, {})), InternalError);
}

}  // namespace
}  // namespace tenon::ops
