#include "ops/custom_operator.h"

#include <gtest/gtest.h>

#include "ir/graph_text.h"
#include "ir/verify.h"
#include "ops/op.h"
#include "testing/evaluate.h"

namespace tenon::ops {
namespace {

using ir::DType;
using ir::Op;

std::string error_of(std::string_view text) {
  const auto read = parse_custom_operators(text);
  return read ? "no error" : read.error().diagnostics.front().message;
}

TEST(CustomOperator, DefinitionsAreRead) {
  const auto read = parse_custom_operators(R"(
    // What we train with.
    com.mine::swoosh(x; sharpness = 1.5, on = true, off) =
        x * $sharpness   // so far
        + $on
    mine::both(a, b) = a + b)");
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_EQ(read->size(), 2U);
  const CustomOperator& swoosh = read->front();
  EXPECT_EQ(swoosh.name, "com.mine::swoosh");
  ASSERT_EQ(swoosh.operands.size(), 1U);
  EXPECT_EQ(swoosh.operands[0].name, "x");
  ASSERT_EQ(swoosh.attributes.size(), 3U);
  EXPECT_EQ(swoosh.attributes[0].otherwise, 1.5);
  EXPECT_EQ(swoosh.attributes[1].otherwise, 1);
  EXPECT_FALSE(swoosh.attributes[2].otherwise);
  ASSERT_EQ(swoosh.outputs.size(), 1U);
  EXPECT_EQ(swoosh.outputs[0].expression, "x * $sharpness + $on");
  ASSERT_EQ(read->back().operands.size(), 2U);
  EXPECT_EQ(read->back().operands[1].name, "b");
}

TEST(CustomOperator, ACFunctionHasTypes) {
  const auto read =
      parse_definition("(x: f32[n, c]; k) -> f32[n, floor_div(c, $k)] = f in \"l.so\"");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->op, Op::kCFunction);
  EXPECT_EQ(read->operands[0].type, "f32[n, c]");
  ASSERT_EQ(read->outputs.size(), 1U);
  EXPECT_EQ(read->outputs[0].type, "f32[n, floor_div(c, $k)]");
  EXPECT_EQ(read->symbol, "f");
  EXPECT_EQ(read->library, "l.so");
}

TEST(CustomOperator, ResultsAreReadOneByOne) {
  const auto expect = [](std::string_view definition, std::vector<std::string> alone) {
    const auto read = parse_definition(definition);
    ASSERT_TRUE(read) << read.error().text();
    ASSERT_EQ(read->outputs.size(), alone.size());
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(read->with_only(read->outputs[i]), alone[i]);
      EXPECT_TRUE(definition.substr(read->outputs[i].at).starts_with(read->outputs[i].expression));
    }
  };
  expect("(x, y; k = 2) = min(x, y) * $k, max(x, y), x > y",
         {"(x, y; k = 2) = min(x, y) * $k", "(x, y; k = 2) = max(x, y)", "(x, y; k = 2) = x > y"});
  expect("(x: f32[n, c]) -> f32[n][i] = sum(k < c, l < 2) x[i, min(k, l)], i64[c, n][j, i] = i + j",
         {"(x: f32[n, c]) -> f32[n][i] = sum(k < c, l < 2) x[i, min(k, l)]",
          "(x: f32[n, c]) -> i64[c, n][j, i] = i + j"});
}

TEST(CustomOperator, ACFunctionHasOneNodeForAllItsResults) {
  ir::Module module;
  const ir::Dim n = module.dims.symbol("n");
  const ir::ValueId x = module.add_input({DType::kFloat32, {n, 3}}, "x");
  const auto made =
      add_node(module, Op::kCFunction, {x},
               {{"definition", "(x: f32[n, c]) -> (f32[c], i64[n, 2 * c], bool[]) = f in \"l.so\""},
                {"numbers", std::vector<double>{}}},
               {});
  ASSERT_TRUE(made) << made.error().text();
  std::vector<std::string> types;
  for (ir::ValueId output : module.node(*made).outputs) {
    types.push_back(ir::to_string(module.dims, module.value(output).type));
  }
  EXPECT_EQ(types, (std::vector<std::string>{"f32[3]", "i64[n, 6]", "bool[]"}));
  EXPECT_EQ(ir::verify(module), "");
  const std::string text = ir::to_string(module);
  const auto again = ir::parse_module(text);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(ir::to_string(*again), text);
}

TEST(CustomOperator, TheShapeRuleOfACFunctionGoesOverOpenSizes) {
  ir::Module module;
  const ir::Dim n = module.dims.symbol("n"), c = module.dims.symbol("columns");
  const ir::ValueId x = module.add_input({DType::kFloat32, {c, n}}, "x");
  const auto made = add(module, Op::kCFunction, {x},
                        {{"definition", "(x: f32[n, c]; k) -> i64[c, $k * n + 1] = f in \"l.so\""},
                         {"numbers", std::vector<double>{3}}},
                        {});
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(ir::to_string(module.dims, module.value(*made).type), "i64[n, 3*columns + 1]");
}

TEST(CustomOperator, WhatIsWrongIsSaid) {
  EXPECT_EQ(error_of(""), "no error");
  EXPECT_EQ(error_of("swoosh(x) = x"),
            "operator 'swoosh': this is no name of a domain and an operator");
  EXPECT_EQ(error_of("m::f(x) = x\nm::f(y) = y"), "operator 'm::f': it is defined twice");
  EXPECT_EQ(error_of("m::f() = 1"), "operator 'm::f': line 1, column 2: expected a name");
  EXPECT_EQ(error_of("m::f(x; k = one) = x"),
            "operator 'm::f': line 1, column 12: 'one' is no number");
  EXPECT_EQ(error_of("m::f(x)"), "operator 'm::f': line 1, column 4: expected '='");
  EXPECT_EQ(error_of("m::f(x) ="), "operator 'm::f': line 1, column 6: expected an expression");
  EXPECT_EQ(error_of("m::f"), "operator 'm::f': line 1, column 1: expected '('");
}

TEST(CustomOperator, AFormulaMeansItsDefinition) {
  const ir::Attrs attrs = {{"definition", "(x, y; k) = max(x, 0) * $k + y"},
                           {"numbers", std::vector<double>{0.5}}};
  const Tensor x = testing::floats({2, 1}, {-1, 4});
  const Tensor y = testing::floats({3}, {0, 1, 2});
  const Tensor result = testing::evaluate(Op::kFormula, {x, y}, attrs);
  EXPECT_EQ(testing::numbers(result), (std::vector<double>{0, 1, 2, 2, 3, 4}));
}

TEST(CustomOperator, AFormulaMayRoundOnce) {
  // (1 + 2^-12)^2 - 1 loses its last bit where the square is rounded first.
  const Tensor x = testing::floats({1}, {1 + 0x1p-12});
  const ir::Attrs attrs = {{"definition", "(x) = fma(x, x, -1)"},
                           {"numbers", std::vector<double>{}}};
  EXPECT_EQ(testing::numbers(testing::evaluate(Op::kFormula, {x}, attrs)),
            (std::vector<double>{0x1p-11 + 0x1p-24}));
}

TEST(CustomOperator, ArithmeticOfNumbersTakesTheDtypeBesideIt) {
  const auto numbers = [](Tensor x, std::string definition) {
    const ir::Attrs attrs = {{"definition", std::move(definition)},
                             {"numbers", std::vector<double>{3}}};
    return testing::numbers(testing::evaluate(Op::kFormula, {std::move(x)}, attrs));
  };
  EXPECT_EQ(numbers(testing::integers({1}, {5}), "(x; k) = x * (2 * $k - 1)"),
            (std::vector<double>{25}));
  EXPECT_EQ(numbers(testing::floats({1}, {5}), "(x; k) = x / (0.5 + $k)"),
            (std::vector<double>{5 / 3.5F}));
}

TEST(CustomOperator, AFormulaThatDoesNotFitIsNamed) {
  ir::Module module;
  const ir::ValueId x = module.add_input({DType::kInt64, {2}}, "x");
  const auto error = [&](std::string definition, std::vector<double> numbers) {
    const auto made =
        add(module, Op::kFormula, {x},
            {{"definition", std::move(definition)}, {"numbers", std::move(numbers)}}, {});
    return made ? "no error" : made.error().diagnostics.front().message;
  };
  EXPECT_EQ(error("(x) = x + 1", {}), "no error");
  EXPECT_EQ(error("(x) = x + y", {}),
            "formula(i64[2]): '(x) = x + y' does not work with i64: line 1, column 5: "
            "no such name at 'y'");
  EXPECT_NE(error("(x; k) = x * $k", {0.5}).find("does not work with i64"), std::string::npos);
  EXPECT_EQ(error("(x, y) = x", {}),
            "formula(i64[2]): '(x, y) = x' does not work with i64: it takes 2 operands and 0 "
            "attributes, not 1 and 0");
  EXPECT_EQ(error("(x) = x, x", {}),
            "formula(i64[2]): '(x) = x, x' does not work with i64: it gives 2 results, not 1");
  EXPECT_NE(error("x", {}).find("expected '('"), std::string::npos);
}

}  // namespace
}  // namespace tenon::ops
