// The machine code of inner loops, on targets that this machine need not be able to run.
#include "testing/assembly.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/codegen.h"
#include "ir/loop_builder.h"

namespace tenon::codegen {
namespace {

using ir::BufferKind;
using ir::DType;
using ir::E;
using ir::LoopBuilder;
using ir::R;
using testing::LoopFacts;

struct Tile {
  const char* target;
  int rows, vectors;
  bool packed;   ///< a is [k][rows], else [rows][lda]
  bool dynamic;  ///< depth and strides are parameters
  int unroll;
};

void PrintTo(const Tile& tile, std::ostream* out) {
  *out << fmt::format("{} {}x{} {} {} unrolled {}", tile.target, tile.rows, tile.vectors,
                      tile.packed ? "packed" : "row-major", tile.dynamic ? "dynamic" : "constant",
                      tile.unroll);
}

ir::Function matrix_product(const Tile& tile, int lanes) {
  LoopBuilder b("matrix_product");
  auto size = [&](const char* name) { return tile.dynamic ? b.param(name) : b.integer(256); };
  E depth = size("depth"), a_stride = size("a_stride"), c_stride = size("c_stride");
  auto a = b.buffer("a", DType::kFloat32, BufferKind::kInput);
  auto panels = b.buffer("b", DType::kFloat32, BufferKind::kInput);
  auto c = b.buffer("c", DType::kFloat32, BufferKind::kOutput);
  int width = tile.vectors * lanes;
  E task = b.tasks(b.integer(16));
  ir::VectorType vector{DType::kFloat32, static_cast<uint16_t>(lanes)};
  std::vector<R> sums;
  for (int i = 0; i < tile.rows * tile.vectors; ++i) {
    sums.push_back(b.let_register("sum", b.literal(0, vector)));
  }
  b.loop("k", b.integer(0), depth, tile.unroll, [&](E first) {
    for (int step = 0; step < tile.unroll; ++step) {
      E k = first + step;
      std::vector<E> columns;
      for (int v = 0; v < tile.vectors; ++v) {
        E index = task * depth * width + k * width + v * lanes;
        columns.push_back(b.let("column", b.load(panels, index, lanes)));
      }
      for (int row = 0; row < tile.rows; ++row) {
        E index = tile.packed ? k * tile.rows + row : a_stride * row + k;
        E value = b.let("value", b.broadcast(b.load(a, index), lanes));
        for (int v = 0; v < tile.vectors; ++v) {
          const R& sum = sums[row * tile.vectors + v];
          b.assign(sum, b.fma(value, columns[v], sum));
        }
      }
    }
  });
  for (int row = 0; row < tile.rows; ++row) {
    for (int v = 0; v < tile.vectors; ++v) {
      b.store(c, c_stride * row + task * width + v * lanes, sums[row * tile.vectors + v]);
    }
  }
  return b.finish();
}

class TileLoop : public ::testing::TestWithParam<Tile> {};

INSTANTIATE_TEST_SUITE_P(Tiles, TileLoop,
                         ::testing::Values(Tile{"x86-64-v3", 6, 2, true, false, 1},
                                           Tile{"x86-64-v3", 6, 2, true, true, 1},
                                           Tile{"x86-64-v3", 6, 2, false, false, 1},
                                           Tile{"x86-64-v3", 6, 2, false, true, 1},
                                           Tile{"x86-64-v3", 4, 3, false, true, 1},
                                           Tile{"x86-64-v4", 14, 2, false, false, 1},
                                           Tile{"x86-64-v4", 8, 3, false, true, 1},
                                           Tile{"x86-64-v4", 6, 4, false, false, 2},
                                           Tile{"neoverse-n1", 8, 3, true, true, 1}));

TEST_P(TileLoop, IsAtFullSpeed) {
  const Tile& tile = GetParam();
  Target target = *find_target(tile.target);
  ir::Function function = matrix_product(tile, target.lanes(4));
  LoopFacts loop = testing::hot_loop(assembly(function, target));
  EXPECT_EQ(loop.fma, tile.rows * tile.vectors * tile.unroll) << loop.text;
  EXPECT_EQ(loop.spills, 0) << loop.text;
  EXPECT_EQ(loop.moves, 0) << loop.text;
  EXPECT_EQ(loop.calls, 0) << loop.text;
  EXPECT_LE(loop.loads, (tile.rows + tile.vectors) * tile.unroll) << loop.text;
  EXPECT_FALSE(compile({&function, 1}, target).code.empty());
}

TEST(AssemblyFacts, CountsWhatSlowsALoop) {
  LoopFacts loop = testing::hot_loop(R"(
.LBB0_1:
	xorl	%eax, %eax
.LBB0_2:                                # =>This Inner Loop Header
	vmovaps	%ymm1, %ymm2
	vmovups	%ymm2, 32(%rsp)                 # 32-byte Spill
	vfmadd231ps	(%rax,%rcx,4), %ymm1, %ymm2
	leaq	8(%rax), %rbp
	callq	exp@PLT
	cmpq	%rax, %rcx
	jl	.LBB0_2
	decq	%rdx
	jne	.LBB0_1
)");
  EXPECT_EQ(loop.instructions, 7);
  EXPECT_EQ(loop.fma, 1);
  EXPECT_EQ(loop.loads, 1);
  EXPECT_EQ(loop.spills, 1);
  EXPECT_EQ(loop.moves, 1);
  EXPECT_EQ(loop.calls, 1);
}

std::string x86_assembly(LoopBuilder& b) { return assembly(b.finish(), *find_target("x86-64-v3")); }

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST(Assembly, MinimumAndMaximumAreOneInstruction) {
  LoopBuilder b("clamp");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
  E value = b.load(x, b.integer(0), 8);
  b.store(x, b.integer(0),
          b.max(b.min(value, b.load(x, b.integer(8), 8)), b.load(x, b.integer(16), 8)));
  std::string text = x86_assembly(b);
  EXPECT_TRUE(contains(text, "vminps")) << text;
  EXPECT_TRUE(contains(text, "vmaxps")) << text;
  EXPECT_FALSE(contains(text, "vcmp")) << text;
}

TEST(Assembly, HalfPrecisionNeedsNoLibrary) {
  LoopBuilder b("half");
  auto x = b.buffer("x", DType::kFloat16, BufferKind::kInOut);
  E value = b.cast(b.load(x, b.integer(0), 8), DType::kFloat32);
  b.store(x, b.integer(0), b.cast(value + 1, DType::kFloat16));
  std::string text = x86_assembly(b);
  EXPECT_TRUE(contains(text, "vcvtph2ps")) << text;
  EXPECT_TRUE(contains(text, "vcvtps2ph")) << text;
}

TEST(Assembly, FloorDivisionByConstantsDoesNotDivide) {
  LoopBuilder b("index");
  E n = b.param("n");
  auto x = b.buffer("x", DType::kInt64, BufferKind::kOutput);
  b.store(x, b.integer(0), b.floor_div(n, b.integer(16)) + b.floor_mod(n, b.integer(16)));
  b.store(x, b.integer(1), b.floor_div(n, b.integer(7)) + b.floor_mod(n, b.integer(7)));
  EXPECT_FALSE(contains(x86_assembly(b), "div"));
}

TEST(Assembly, LoadsOfInputsPassStoresOfOutputs) {
  LoopBuilder b("invariant");
  E n = b.param("n");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  b.loop("i", n, [&](E i) { b.store(y, i * 8, b.load(x, b.integer(0), 8)); });
  LoopFacts loop = testing::innermost_loops(x86_assembly(b)).at(0);
  EXPECT_EQ(loop.loads, 0) << loop.text;
}

}  // namespace
}  // namespace tenon::codegen
