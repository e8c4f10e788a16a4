// A graph in which something is planted shrinks to what was planted.
#include "checks/reduce.h"

#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "ir/verify.h"
#include "testing/models.h"

namespace tenon::checks {
namespace {

using ir::Op;

/// 200 elementwise nodes, each on random earlier values, with tanh and then exp once.
ir::Module large_graph() {
  testing::ModelBuilder m;
  std::mt19937 random(3);
  std::vector<ir::ValueId> values = {m.input("a", {3, 4}), m.input("b", {3, 4})};
  const auto any = [&] { return values[random() % values.size()]; };
  while (m.module.node_count() < 198) {
    const Op op = std::array{Op::kAdd, Op::kMul, Op::kRelu, Op::kNeg}[random() % 4];
    const bool binary = op == Op::kAdd || op == Op::kMul;
    values.push_back(m.add(op, binary ? std::vector{any(), any()} : std::vector{any()}));
    if (values.size() == 90) {
      values.push_back(m.add(Op::kExp, {m.add(Op::kTanh, {values.back()})}));
    }
  }
  m.output(values.back());
  m.output(any());
  return std::move(m.module);
}

bool has_exp_of_tanh(const ir::Module& module) {
  for (ir::NodeId node : module.graph.nodes) {
    if (module.node(node).op == Op::kExp && module.is(module.node(node).inputs[0], Op::kTanh)) {
      return true;
    }
  }
  return false;
}

TEST(Reduce, APlantedCrashLeavesTwoNodes) {
  const ir::Module large = large_graph();
  ASSERT_GE(large.graph.nodes.size(), 198U);
  size_t trials = 0;
  const auto code_of = [](const ir::Module& module) {
    return exit_code_of([&] {
      if (has_exp_of_tanh(module)) std::raise(SIGKILL);
      return 0;
    });
  };
  EXPECT_EQ(code_of(large), 128 + SIGKILL);
  const ir::Module small = reduce(large, [&](const ir::Module& module) {
    ++trials;
    EXPECT_EQ(ir::verify(module), "");
    return code_of(module) == 128 + SIGKILL;
  });
  EXPECT_EQ(ir::to_string(small), R"(module "" {
  input %0 "x0": f32[3, 4]
  %1: f32[3, 4] = tanh(%0) from "n88"
  %2: f32[3, 4] = exp(%1) from "n89"
  output %2 "y0"
}
)");
  EXPECT_LT(trials, 100U);
}

TEST(Reduce, WhatCannotShrinkStays) {
  const ir::Module large = large_graph();
  const ir::Module same = reduce(large, [](const ir::Module&) { return false; });
  EXPECT_EQ(ir::to_string(same), ir::to_string(large));
}

TEST(Reduce, TheCheckSeesNativeCodeAndErrors) {
  const ir::Module large = large_graph();
  EXPECT_EQ(exit_code_of([&] { return compare_native(large, {}); }), 0);
  // A module that the compiler refuses: an output's symbol that no input has.
  testing::ModelBuilder m;
  const ir::Dim n = m.module.dims.symbol("n");
  m.output(m.add(Op::kNeg, {m.input("x", {m.module.dims.mul(n, 2)})}));
  EXPECT_EQ(exit_code_of([&] { return compare_native(m.module, {}); }), 3);
  EXPECT_EQ(exit_code_of([]() -> int { throw std::runtime_error("lost"); }), 3);
}

}  // namespace
}  // namespace tenon::checks
