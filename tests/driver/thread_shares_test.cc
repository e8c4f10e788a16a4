// Which part of its result each half of a step's tasks writes: two threads share the steps of a
// network so that each has from step to step the rows that it made before.
#include <cmath>

#include "driver/pipeline.h"
#include "interp/loop.h"
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using ir::ValueId;
using testing::ModelBuilder;
using Integers = std::vector<int64_t>;

ValueId conv(ModelBuilder& m, ValueId x, Integers filter, int64_t groups) {
  const int64_t pad = filter[2] / 2;
  return m.add(Op::kConv, {x, m.parameter(std::move(filter))},
               {{"strides", Integers{1, 1}},
                {"pads", Integers{pad, pad, pad, pad}},
                {"dilations", Integers{1, 1}},
                {"groups", groups}});
}

/// What the first half of a kernel's tasks writes of its last buffer; the rest stays NaN.
std::vector<float> first_half(const passes::Kernel& kernel) {
  const ir::Function& function = kernel.function;
  std::vector<std::vector<float>> memory;
  std::vector<void*> buffers;
  for (size_t i = 0; i < kernel.buffers.size(); ++i) {
    const bool written = i + 1 == kernel.buffers.size();
    const auto extent = static_cast<size_t>(function.expr(function.buffers[i].extent).bits);
    memory.emplace_back(extent, written ? NAN : 1.0f);
  }
  for (std::vector<float>& buffer : memory) buffers.push_back(buffer.data());
  const int64_t tasks = function.expr(function.task_count).bits;
  EXPECT_GE(tasks, 4) << function.name;
  const Result<int32_t> status = interp::run(function, buffers, {}, 0, tasks / 2);
  EXPECT_TRUE(status && *status == 0);
  return memory.back();
}

TEST(ThreadShares, AreRowsOfSmallAndLargeMaps) {
  for (const int64_t size : {14, 56}) {
    ModelBuilder m;
    const ValueId x = m.input("x", {1, 24, size, size});
    ValueId y = m.add(Op::kRelu, {conv(m, x, {96, 24, 1, 1}, 1)});
    y = m.add(Op::kRelu, {conv(m, y, {96, 1, size == 14 ? 5 : 3, size == 14 ? 5 : 3}, 96)});
    y = conv(m, y, {64, 96, 1, 1}, 1);
    m.output(
        m.add(Op::kReduce, {y}, {{"kind", "mean"}, {"axes", Integers{2, 3}}, {"keep", false}}));
    driver::State state{.module = m.module, .target = *find_target("x86-64-v3")};
    ASSERT_TRUE(driver::run_pipeline(state, "import", "to-loops"));
    int maps = 0;
    for (const passes::Kernel& kernel : state.kernels) {
      const ir::Node& node = state.module.node(kernel.nodes.front());
      if (node.op != Op::kConv) continue;
      maps += static_cast<int>(std::ranges::count_if(
          kernel.nodes, [&](ir::NodeId made) { return state.module.node(made).op == Op::kConv; }));
      const std::vector<float> result = first_half(kernel);
      const ir::Placement& place = state.module.placements[kernel.buffers.back().index];
      const int64_t halo = place.halo.empty() ? 0 : place.halo[2];
      const int64_t rows = size + 2 * halo;
      const int64_t length = std::ssize(result) / rows;
      for (int64_t row = 0; row < rows; ++row) {
        const auto first = result.begin() + row * length;
        const int64_t missing =
            std::count_if(first, first + length, [](float v) { return std::isnan(v); });
        SCOPED_TRACE(kernel.function.name + ", row " + std::to_string(row));
        const int64_t near = 2 + rows / 16;  // tasks are some rows, or less than one
        if (row < rows / 2 - near) {
          EXPECT_EQ(missing, 0);
        } else if (row >= rows / 2 + near) {
          EXPECT_EQ(missing, length);
        }
      }
    }
    EXPECT_EQ(maps, 3);
  }
}

TEST(ThreadShares, AreRowsWhereTheseOutgrowTheCache) {
  constexpr int64_t kRows = 120, kDepth = 1024, kColumns = 80;  // both operands fill half of it
  ModelBuilder m;
  m.output(m.add(Op::kMatMul, {m.input("x", {kRows, kDepth}), m.parameter({kDepth, kColumns})}));
  driver::State state{.module = m.module, .target = *find_target("x86-64-v3")};
  ASSERT_TRUE(driver::run_pipeline(state, "import", "to-loops"));
  ASSERT_EQ(state.kernels.size(), 1U);
  const std::vector<float> result = first_half(state.kernels[0]);
  ASSERT_EQ(std::ssize(result), kRows * kColumns);
  const auto missing = [&](int64_t first, int64_t end) {
    return std::count_if(result.begin() + first * kColumns, result.begin() + end * kColumns,
                         [](float v) { return std::isnan(v); });
  };
  EXPECT_EQ(missing(0, kRows / 3), 0);
  EXPECT_EQ(missing(kRows * 2 / 3, kRows), kRows / 3 * kColumns);
}

}  // namespace
}  // namespace tenon
