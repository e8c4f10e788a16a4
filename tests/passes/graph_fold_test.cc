// Work on constants, and work done twice.
#include <gtest/gtest.h>

#include "passes/graph/common_subexpressions.h"
#include "passes/graph/fold_constants.h"
#include "testing/graph.h"

namespace tenon::passes {
namespace {

using tenon::testing::graph_of;

std::string folded(std::string_view text, const FoldOptions& options = {}) {
  ir::Module module = graph_of(text);
  fold_constants(module, options);
  EXPECT_EQ(ir::verify(module), "");
  return ir::to_string(module);
}

TEST(FoldConstants, FoldsChainsAndSeveralResults) {
  EXPECT_EQ(folded(R"(module "m" {
  %0: f32[3] = constant() {data = [3, 1, 2]}
  %1: f32[] = constant() {data = [10]}
  %2: f32[3] = mul(%0, %1)
  %3: f32[2], %4: i64[2] = top_k(%2) {axis = 0, k = [2], largest = true}
  output %3 "values"
  output %4 "indices"
})"),
            R"(module "m" {
  %0: f32[2] = constant() {data = [30, 20]}
  %1: i64[2] = constant() {data = [0, 2]}
  output %0 "values"
  output %1 "indices"
}
)");
}

TEST(FoldConstants, FoldsSizesOnceTheyAreNumbers) {
  EXPECT_EQ(folded(R"(module "m" {
  input %0: f32[n]
  %1: i64[2] = dims_tensor() {dims = [2, 3]}
  %2: i64[1] = dims_tensor() {dims = [n]}
  output %1 "known"
  output %2 "open"
})"),
            R"(module "m" {
  input %0: f32[n]
  %1: i64[1] = dims_tensor() {dims = [n]}
  %2: i64[2] = constant() {data = [2, 3]}
  output %2 "known"
  output %1 "open"
}
)");
}

TEST(FoldConstants, LeavesWorkOnParametersAndInputs) {
  const std::string text = R"(module "m" {
  input %0: f32[2]
  %1: f32[2] = parameter() {data = [1, 2]}
  %2: f32[2] = neg(%1)
  %3: f32[2] = add(%0, %2)
  output %3 "y"
}
)";
  EXPECT_EQ(folded(text), text);
}

TEST(FoldConstants, DoesNotGrowTheModel) {
  const std::string text = R"(module "m" {
  %0: f32[1] = constant() {data = [1]}
  %1: f32[8] = expand(%0) {dims = [8]}
  %2: f32[] = reduce(%1) {axes = [0], keep = false, kind = "sum"}
  output %2 "y"
}
)";
  EXPECT_EQ(folded(text, {.bytes = 16}), text);
  EXPECT_NE(folded(text, {.bytes = 32}), text);
}

TEST(FoldConstants, WhatFailsStaysANode) {
  const std::string text = R"(module "m" {
  %0: f32[2] = constant() {data = [1, 2]}
  %1: i64[1] = constant() {data = [7]}
  %2: f32[1] = gather(%0, %1) {axis = 0}
  output %2 "y"
}
)";
  EXPECT_EQ(folded(text), text);
}

std::string merged(std::string_view text) {
  ir::Module module = graph_of(text);
  common_subexpressions(module);
  EXPECT_EQ(ir::verify(module), "");
  return ir::to_string(module);
}

TEST(CommonSubexpressions, MergesWhatIsEqualThroughChains) {
  EXPECT_EQ(merged(R"(module "m" {
  input %0: f32[4]
  %1: f32[] = constant() {data = [2]}
  %2: f32[] = constant() {data = [2]}
  %3: f32[4] = add(%0, %1)
  %4: f32[4] = add(%2, %0)
  %5: f32[4] = mul(%3, %4)
  output %5 "y"
})"),
            R"(module "m" {
  input %0: f32[4]
  %1: f32[] = constant() {data = [2]}
  %2: f32[4] = add(%0, %1)
  %3: f32[4] = mul(%2, %2)
  output %3 "y"
}
)");
}

TEST(CommonSubexpressions, KeepsWhatDiffers) {
  const std::string text = R"(module "m" {
  input %0: f32[4]
  %1: f32[4] = parameter() {data = [1, 2, 3, 4]}
  %2: f32[4] = parameter() {data = [1, 2, 3, 4]}
  %3: f32[1] = constant() {data = [1]}
  %4: f32[] = constant() {data = [1]}
  %5: f32[4] = sub(%0, %1)
  %6: f32[4] = sub(%2, %0)
  %7: f32[4] = leaky_relu(%5) {alpha = 0.1}
  %8: f32[4] = leaky_relu(%5) {alpha = 0.2}
  %9: f32[4] = mul(%6, %3)
  %10: f32[4] = mul(%6, %4)
  %11: f32[16] = concat(%7, %8, %9, %10) {axis = 0}
  output %11 "y"
}
)";
  EXPECT_EQ(merged(text), text);
}

}  // namespace
}  // namespace tenon::passes
