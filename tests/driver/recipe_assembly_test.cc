// The machine code of the recipes' hot loops, as the whole pipeline makes it: nothing spilled, no
// register moved, and as many multiply-adds and loads as the tile needs.
#include "codegen/codegen.h"
#include "driver/pipeline.h"
#include "testing/assembly.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using ir::ValueId;
using testing::LoopFacts;
using testing::ModelBuilder;

/// The inner loops that multiply and add, of all kernels of the model in their direct form.
std::vector<LoopFacts> hot_loops(const ir::Module& module, const char* target) {
  const driver::CompileOptions options = {.target = target, .without = {"winograd"}};
  driver::State state{module, *find_target(target), options, {}, {}, {}, {}, {}};
  EXPECT_TRUE(driver::run_pipeline(state));
  std::vector<LoopFacts> loops;
  for (const ir::Function& function : state.functions) {
    for (LoopFacts& loop : testing::innermost_loops(codegen::assembly(function, state.target))) {
      if (loop.fma > 1) loops.push_back(std::move(loop));
    }
  }
  return loops;
}

/// `most_loads` per multiply-add.
void expect_full_speed(const ir::Module& module, double most_loads) {
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    SCOPED_TRACE(target);
    const std::vector<LoopFacts> loops = hot_loops(module, target);
    EXPECT_FALSE(loops.empty());
    for (const LoopFacts& loop : loops) {
      EXPECT_EQ(loop.spills, 0) << loop.text;
      EXPECT_EQ(loop.moves, 0) << loop.text;
      EXPECT_EQ(loop.calls, 0) << loop.text;
      EXPECT_LE(loop.loads, most_loads * loop.fma) << loop.text;
    }
  }
}

ir::Module conv(std::vector<int64_t> input, std::vector<int64_t> filter, int64_t stride,
                int64_t pad, int64_t groups = 1) {
  ModelBuilder m;
  const ValueId x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  const ir::Attrs attrs = {{"strides", std::vector<int64_t>{stride, stride}},
                           {"pads", std::vector<int64_t>(4, pad)},
                           {"dilations", std::vector<int64_t>{1, 1}},
                           {"groups", groups}};
  const ValueId y = m.add(Op::kConv, {x, m.parameter(filter), m.parameter({filter[0]})}, attrs);
  m.output(m.add(Op::kRelu, {y}));
  return m.module;
}

ir::Module matmul(int64_t rows, int64_t depth, int64_t columns) {
  ModelBuilder m;
  const ValueId x = m.input("x", {rows, depth});
  m.output(m.add(Op::kMatMul, {x, m.parameter({depth, columns})}));
  return m.module;
}

TEST(RecipeAssembly, Conv) {
  expect_full_speed(conv({1, 64, 28, 28}, {128, 64, 3, 3}, 1, 1), 0.75);
  expect_full_speed(conv({1, 64, 28, 28}, {128, 64, 3, 3}, 2, 1), 0.75);
  expect_full_speed(conv({1, 64, 28, 28}, {128, 64, 1, 1}, 1, 0), 0.75);
  expect_full_speed(conv({1, 3, 64, 64}, {64, 3, 7, 7}, 2, 3), 0.75);
  expect_full_speed(conv({1, 512, 7, 7}, {512, 512, 3, 3}, 1, 1), 0.85);  // weights in parts
}

TEST(RecipeAssembly, Depthwise) {
  expect_full_speed(conv({1, 64, 28, 28}, {64, 1, 3, 3}, 1, 1, 64), 0.75);
  expect_full_speed(conv({1, 64, 28, 28}, {64, 1, 3, 3}, 2, 1, 64), 1);
  expect_full_speed(conv({1, 64, 14, 14}, {64, 1, 5, 5}, 1, 2, 64), 0.75);
}

TEST(RecipeAssembly, MatMul) {
  expect_full_speed(matmul(128, 768, 768), 0.75);
  expect_full_speed(matmul(6, 1024, 1024), 0.75);
}

}  // namespace
}  // namespace tenon
