// The machine code of the recipes' hot loops, as the whole pipeline makes it: as many multiply-adds
// and loads as the tile needs, little else, nothing spilled and no register moved.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <regex>
#include <set>
#include <tuple>

#include "codegen/codegen.h"
#include "driver/pipeline.h"
#include "testing/assembly.h"
#include "testing/networks.h"
#include "testing/table.h"

namespace tenon {
namespace {

using ir::Op;
using testing::LoopFacts;
using testing::NetworkBuilder;
using Integers = std::vector<int64_t>;

struct Case {
  std::string name;
  ir::Module module;
  bool only_products = true;  ///< no exponentials, transforms or short reductions
  bool winograd = false;
};

/// The inner loops that multiply and add, of all kernels of the model.
std::vector<LoopFacts> hot_loops(const Case& c, const std::string& target) {
  driver::CompileOptions options = {.target = target};
  if (!c.winograd) options.without = {"winograd"};
  driver::State state{.module = c.module, .target = *find_target(target), .options = options};
  EXPECT_TRUE(driver::run_pipeline(state));
  std::vector<LoopFacts> loops;
  for (const ir::Function& function : state.functions) {
    for (LoopFacts& loop : testing::innermost_loops(codegen::assembly(function, state.target))) {
      if (loop.fma > 1) loops.push_back(std::move(loop));
    }
  }
  return loops;
}

ir::Module conv(Integers input, int64_t outputs, int64_t kernel, int64_t stride = 1,
                int64_t groups = 1) {
  NetworkBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  m.output(m.add(Op::kRelu, {m.conv(x, outputs, kernel, stride, groups)}));
  return m.module;
}

ir::Module expanded(Integers input, int64_t channels, int64_t stride) {
  NetworkBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  m.output(m.conv(m.add(Op::kRelu, {m.conv(x, channels, 1)}), channels, 3, stride, channels));
  return m.module;
}

ir::Module pooled(Integers input, int64_t outputs) {
  NetworkBuilder m;
  const auto x = m.input("x", std::vector<ir::Dim>(input.begin(), input.end()));
  m.output(m.max_pool(m.conv(x, outputs, 3)));
  return m.module;
}

ir::Module transposed(Integers input, int64_t outputs) {
  NetworkBuilder m;
  m.output(m.up(m.input("x", std::vector<ir::Dim>(input.begin(), input.end())), outputs));
  return m.module;
}

ir::Module matmul(int64_t rows, int64_t depth, int64_t columns) {
  NetworkBuilder m;
  m.output(m.add(Op::kMatMul, {m.input("x", {rows, depth}), m.parameter({depth, columns})}));
  return m.module;
}

ir::Module batched(int64_t batch, int64_t rows, int64_t depth, int64_t columns) {
  NetworkBuilder m;
  const auto a = m.input("a", {batch, rows, depth}), b = m.input("b", {batch, depth, columns});
  m.output(m.add(Op::kMatMul, {a, b}));
  return m.module;
}

ir::Module attention(int64_t queries, int64_t keys) {
  NetworkBuilder m;
  const auto q = m.input("q", {1, 4, queries, 64}), k = m.input("k", {1, 4, keys, 64}),
             v = m.input("v", {1, 4, keys, 64});
  m.output(
      m.add(Op::kAttention, {q, k, v}, {{"scale", 0.125}, {"causal", false}, {"guarded", false}}));
  return m.module;
}

ir::Module recurrent(Op op, int64_t gates) {
  NetworkBuilder m;
  std::vector<ir::ValueId> operands = {m.input("x", {20, 1, 64}), m.parameter({gates * 64, 64}),
                                       m.parameter({gates * 64, 64})};
  operands.resize(op == Op::kLstm ? 6 : 5);
  ir::Attrs attrs = {{"hidden", int64_t{64}}, {"reverse", false}};
  if (op == Op::kGru) attrs.set("linear_before_reset", true);
  m.output(m.add(op, operands, attrs));
  return m.module;
}

std::vector<Case> cases() {
  return {
      {"gemm", matmul(128, 768, 768)},
      {"skinny gemm", matmul(6, 1024, 1024)},
      {"gemv", matmul(1, 1024, 1024)},
      {"gemv of few columns", matmul(1, 1024, 10)},
      {"batched gemm", batched(4, 128, 64, 128)},
      {"conv 3x3", conv({1, 64, 28, 28}, 128, 3)},
      {"conv 3x3 stride 2", conv({1, 64, 28, 28}, 128, 3, 2)},
      {"conv 1x1", conv({1, 64, 28, 28}, 128, 1)},
      {"conv of an image", conv({1, 3, 64, 64}, 64, 7, 2)},
      {"conv of an image pooled", pooled({1, 1, 28, 28}, 16), false},
      {"conv pooled", pooled({1, 64, 28, 28}, 128)},
      {"conv in parts", conv({1, 512, 7, 7}, 512, 3)},
      {"conv grouped", conv({1, 128, 14, 14}, 128, 3, 1, 4)},
      {"conv transposed", transposed({1, 64, 14, 14}, 32)},
      {"depthwise 3x3", conv({1, 64, 28, 28}, 64, 3, 1, 64)},
      {"depthwise 3x3 stride 2", conv({1, 64, 28, 28}, 64, 3, 2, 64)},
      {"depthwise 3x3 expanded", expanded({1, 16, 112, 112}, 96, 2)},
      {"depthwise 5x5", conv({1, 64, 14, 14}, 64, 5, 1, 64)},
      {"few per group", conv({1, 64, 28, 28}, 64, 3, 1, 16)},
      {"few per group stride 2", conv({1, 64, 28, 28}, 64, 3, 2, 8)},
      {"few per group copied", conv({1, 512, 14, 14}, 512, 3, 1, 64)},
      {"winograd", conv({1, 64, 28, 28}, 64, 3), false, true},
      {"attention", attention(128, 128), false},
      {"attention of one query", attention(1, 128), false},
      {"lstm", recurrent(Op::kLstm, 4), false},
      {"gru", recurrent(Op::kGru, 3), false},
  };
}

/// "48/32/85": multiply-adds, loads and instructions of each hot loop, the largest first;
/// "48/32/85+2s1m" where some use the stack (s) or move a register (m).
std::string row(const Case& c, const std::string& target) {
  std::set<std::string, std::greater<>> distinct;
  std::string text = fmt::format("{:<23} {:<12}", c.name, target);
  std::vector<LoopFacts> loops = hot_loops(c, target);
  EXPECT_FALSE(loops.empty());
  std::ranges::sort(loops, std::greater(), [](const LoopFacts& loop) {
    return std::tuple(loop.fma, loop.loads, loop.spills, loop.moves);
  });
  for (const LoopFacts& loop : loops) {
    EXPECT_EQ(loop.calls, 0) << loop.text;
    if (c.only_products) {
      EXPECT_EQ(loop.spills, 0) << loop.text;
      EXPECT_EQ(loop.moves, 0) << loop.text;
    }
    std::string facts = fmt::format(" {}/{}/{}", loop.fma, loop.loads, loop.instructions);
    if (loop.spills + loop.moves > 0) facts += fmt::format("+{}s{}m", loop.spills, loop.moves);
    if (distinct.insert(facts).second) text += facts;
  }
  return text;
}

TEST(RecipeAssembly, HotLoopsAreThoseOfTheTable) {
  std::set<std::string> rows;
  for (const Case& c : cases()) {
    for (const std::string& target : target_names()) {
      SCOPED_TRACE(c.name + " for " + target);
      rows.insert(row(c, target));
    }
  }
  EXPECT_TRUE(testing::matches_table("hot_loops.txt", rows));
}

TEST(RecipeAssembly, ColumnsForHalfAVectorUseHalfAVector) {
  for (const LoopFacts& loop : hot_loops({"", matmul(50, 64, 24)}, "x86-64-v4")) {
    EXPECT_EQ(loop.spills + loop.moves, 0) << loop.text;
    static const std::regex narrow(R"(vfmadd[^\n]*%ymm\d+\n)");
    EXPECT_EQ(2 * std::distance(std::sregex_iterator(loop.text.begin(), loop.text.end(), narrow),
                                std::sregex_iterator()),
              loop.fma)
        << loop.text;
  }
}

}  // namespace
}  // namespace tenon
