// Target that reads definitions of custom operators, each of which is then applied and made loops.
#include "driver/pipeline.h"
#include "fuzz/targets.h"
#include "import/custom.h"
#include "ops/custom_operator.h"
#include "ops/op.h"
#include "ops/shape_rule.h"

namespace tenon::fuzz {
namespace {

/// The definition applied to operands as it wants them, each size being 3; nothing where it does
/// not want any.
std::optional<ir::Module> applied(const ops::CustomOperator& custom) {
  ir::Module module;
  std::vector<double> numbers;
  for (const auto& attribute : custom.attributes) {
    numbers.push_back(attribute.otherwise.value_or(1));
  }
  std::vector<ir::ValueId> operands;
  for (const ops::CustomOperator::Operand& operand : custom.operands) {
    ir::TensorType type{ir::DType::kFloat32, {3}};
    if (!operand.type.empty()) {
      const auto written = ops::ShapeRule(module.dims, custom, numbers).read(operand.type);
      if (!written) return std::nullopt;
      type = *written;
      for (ir::Dim& dim : type.dims) dim = dim.is_constant() ? dim : ir::Dim(3);
    }
    operands.push_back(module.add_input(std::move(type), operand.name));
  }
  import::Emitter emitter(module);
  const auto made =
      import::emit_custom(emitter, custom, {operands.begin(), operands.end()}, numbers);
  if (!made) return std::nullopt;
  module.graph.outputs = *made;
  module.graph.output_names.resize(made->size(), "y");
  return module;
}

void read_operators(const std::string& text) {
  const auto operators = ops::parse_custom_operators(text);
  if (!operators) return;
  for (const ops::CustomOperator& custom : *operators) {
    std::optional<ir::Module> module = applied(custom);
    if (!module) continue;
    driver::CompileOptions options;
    options.target = "x86-64-v3";
    driver::State state{*std::move(module), *find_target(options.target), options};
    (void)driver::run_pipeline(state, driver::kImport, "vectorise");
  }
}

}  // namespace

Target operators_target() {
  return {
      .name = "operators",
      .seeds = {"m::f(x; k = 1.5) = x / (1 + exp(-($k * x))) - 0.1 * select(x > 0, x, 2)\n",
                "m::f(x: f32[n, c]; size = 2) -> f32[n, floor_div(c, $size)] = f in \"lib.so\"\n",
                "m::f(x: f32[n, c]; size = 2) -> f32[n, floor_div(c, $size)][i, j] =\n"
                "  sum(k < $size) x[i, j * $size + k] / $size\n",
                "m::f(x: f16[n, c], at: i64[m], w: f16[3]) -> f16[m, c + 1 - 1][i, j] =\n"
                "  select(at[i] >= 0 & at[i] < n, x[at[i], j], 0) + sum(k < at[j], l < k + 1)\n"
                "  x[floor_mod(i + k, n), min(l, c - 1)] * w[max(k - l, 0)] + max(k < 3) w[k]\n",
                "m::f(x, y; k = 2) = min(x, y) / $k, x > y, fma(x, y, -1)\n",
                "m::f(x: f32[n, c]) -> (f32[n], i64[n, 2 * c]) = f in \"lib.so\"\n",
                "m::f(x: f32[n, c]) -> f32[n][i] = sum(k < c) x[i, k] / cast(c, f32),\n"
                "  i64[c, n][j, i] = cast(max(x[i, j], 0), i64) + c, f32[][] = x[0, 0]\n"},
      .read = read_operators,
      .words = {"sum(k < n)",
                "max(k < c, l < k)",
                "x[i, j]",
                "select(",
                "floor_div(",
                "-1",
                "i64",
                "9223372036854775807",
                "-9223372036854775808",
                "bool",
                "[",
                "]",
                "[i]",
                "(x: f32[n])",
                " -> ",
                "$size",
                "1e999",
                "nan",
                "min(",
                "cast(x[i, j], i32)",
                "n * ",
                ", f32[n][i] = "}};
}

}  // namespace tenon::fuzz
