// Attention in the forms that exporters write it.
#include <gtest/gtest.h>

#include "passes/graph/recognise.h"
#include "passes/graph/simplify.h"
#include "testing/graph.h"
#include "testing/passes.h"

namespace tenon::passes {
namespace {

using tenon::testing::expect_same_results;
using tenon::testing::graph_of;
using tenon::testing::histogram;

void recognise_all(ir::Module& module) {
  for (int i = 0; i < 2; ++i) {
    simplify(module);
    recognise(module);
  }
  simplify(module);
}

/// Operators that are left of a graph of queries %0, keys %1 and values %2, each [2, 3, 5, 4], and
/// a mask %3 [5, 5].
std::string recognised(const std::string& body, const std::string& inputs = {}) {
  const std::string usual = R"(
    input %0: f32[2, 3, 5, 4]
    input %1: f32[2, 3, 5, 4]
    input %2: f32[2, 3, 5, 4]
    input %3: f32[5, 5]
  )";
  ir::Module module = graph_of("module \"m\" {" + (inputs.empty() ? usual : inputs) + body + "}");
  expect_same_results(module, recognise_all);
  return histogram(module);
}

TEST(FuseAttention, ScaledOnBothSidesWithAGuard) {
  EXPECT_EQ(recognised(R"(
    %4: f32[] = constant() {data = [0.5]}
    %5: f32[2, 3, 5, 4] = mul(%0, %4)
    %6: f32[6, 5, 4] = reshape(%1) {dims = [6, 5, 4]}
    %7: f32[6, 4, 5] = transpose(%6) {perm = [0, 2, 1]}
    %8: f32[2, 3, 4, 5] = reshape(%7) {dims = [2, 3, 4, 5]}
    %9: f32[2, 3, 4, 5] = mul(%8, %4)
    %10: f32[2, 3, 5, 5] = matmul(%5, %9)
    %11: f32[2, 3, 5, 5] = add(%10, %3)
    %12: f32[2, 3, 5, 5] = softmax(%11) {axis = 3, log = false}
    %13: bool[2, 3, 5, 5] = is_nan(%12)
    %14: f32[] = constant() {data = [0]}
    %15: f32[2, 3, 5, 5] = where(%13, %14, %12)
    %16: f32[2, 3, 5, 4] = matmul(%15, %2)
    output %16 "y"
  )"),
            "attention=1 reshape=2 transpose=2");
}

TEST(FuseAttention, ScoresScaledMaskedTwiceAndReshaped) {
  EXPECT_EQ(recognised(R"(
    %4: f32[2, 3, 4, 5] = transpose(%1) {perm = [0, 1, 3, 2]}
    %5: f32[2, 3, 5, 5] = matmul(%0, %4)
    %6: f32[] = constant() {data = [3]}
    %7: f32[2, 3, 5, 5] = div(%5, %6)
    %8: f32[2, 3, 5, 5] = add(%3, %7)
    %9: f32[5, 5] = transpose(%3) {perm = [1, 0]}
    %10: f32[2, 3, 5, 5] = add(%8, %9)
    %11: f32[2, 3, 5, 5] = softmax(%10) {axis = 3, log = false}
    %12: f32[2, 3, 5, 4] = matmul(%11, %2)
    output %12 "y"
  )"),
            "add=1 attention=1 transpose=1");
}

TEST(FuseAttention, ConditionsAsMasks) {
  // Added as 0 or -inf, and filled in.
  EXPECT_EQ(recognised(R"(
    %4: bool[5, 5] = is_nan(%3)
    %5: f32[] = constant() {data = [0]}
    %6: f32[] = constant() {data = [-inf]}
    %7: f32[5, 5] = where(%4, %6, %5)
    %8: f32[2, 3, 4, 5] = transpose(%1) {perm = [0, 1, 3, 2]}
    %9: f32[2, 3, 5, 5] = matmul(%0, %8)
    %10: f32[2, 3, 5, 5] = add(%9, %7)
    %11: f32[2, 3, 5, 5] = softmax(%10) {axis = 3, log = false}
    %12: f32[2, 3, 5, 4] = matmul(%11, %2)
    output %12 "y"
  )"),
            "attention=1 is_nan=1 where=1");
  EXPECT_EQ(recognised(R"(
    %4: bool[5, 5] = equal(%3, %3)
    %5: f32[] = constant() {data = [0]}
    %6: f32[] = constant() {data = [-inf]}
    %7: f32[5, 5] = where(%4, %5, %6)
    %8: f32[2, 3, 4, 5] = transpose(%1) {perm = [0, 1, 3, 2]}
    %9: f32[2, 3, 5, 5] = matmul(%0, %8)
    %10: f32[2, 3, 5, 5] = add(%9, %7)
    %11: f32[2, 3, 5, 5] = softmax(%10) {axis = 3, log = false}
    %12: f32[2, 3, 5, 4] = matmul(%11, %2)
    output %12 "y"
  )"),
            "attention=1 equal=1");
  EXPECT_EQ(recognised(R"(
    %4: bool[5, 5] = equal(%3, %3)
    %5: f32[] = constant() {data = [-3.4e38]}
    %6: f32[2, 3, 4, 5] = transpose(%1) {perm = [0, 1, 3, 2]}
    %7: f32[2, 3, 5, 5] = matmul(%0, %6)
    %8: f32[2, 3, 5, 5] = where(%4, %7, %5)
    %9: f32[2, 3, 5, 5] = softmax(%8) {axis = 3, log = false}
    %10: f32[2, 3, 5, 4] = matmul(%9, %2)
    output %10 "y"
  )"),
            "attention=1 equal=1 where=1");
}

TEST(FuseAttention, HeadsThatShareKeys) {
  EXPECT_EQ(recognised(R"(
    %4: f32[1, 2, 1, 5, 4] = reshape(%1) {dims = [1, 2, 1, 5, 4]}
    %5: f32[1, 2, 3, 5, 4] = expand(%4) {dims = [1, 2, 3, 5, 4]}
    %6: f32[6, 5, 4] = reshape(%5) {dims = [6, 5, 4]}
    %7: f32[6, 4, 5] = transpose(%6) {perm = [0, 2, 1]}
    %8: f32[1, 6, 4, 5] = reshape(%7) {dims = [1, 6, 4, 5]}
    %9: f32[1, 2, 1, 5, 4] = reshape(%2) {dims = [1, 2, 1, 5, 4]}
    %10: f32[1, 2, 3, 5, 4] = expand(%9) {dims = [1, 2, 3, 5, 4]}
    %11: f32[1, 6, 5, 4] = reshape(%10) {dims = [1, 6, 5, 4]}
    %12: f32[1, 6, 5, 5] = matmul(%0, %8)
    %13: f32[1, 6, 5, 5] = softmax(%12) {axis = 3, log = false}
    %14: f32[1, 6, 5, 4] = matmul(%13, %11)
    output %14 "y"
  )",
                       R"(
    input %0: f32[1, 6, 5, 4]
    input %1: f32[1, 2, 5, 4]
    input %2: f32[1, 2, 5, 4]
  )"),
            "attention=1");
}

TEST(FuseAttention, ThreeAxes) {
  EXPECT_EQ(recognised(R"(
    %3: f32[3, 4, 5] = transpose(%1) {perm = [0, 2, 1]}
    %4: f32[3, 6, 5] = matmul(%0, %3)
    %5: f32[3, 6, 5] = softmax(%4) {axis = 2, log = false}
    %6: f32[3, 6, 2] = matmul(%5, %2)
    output %6 "y"
  )",
                       R"(
    input %0: f32[3, 6, 4]
    input %1: f32[3, 5, 4]
    input %2: f32[3, 5, 2]
  )"),
            "attention=1 reshape=4");
}

TEST(FuseAttention, NotWhereWeightsAreReadOrAreOthers) {
  const auto left = [](const std::string& middle, const std::string& output) {
    return recognised(R"(
    %4: f32[2, 3, 4, 5] = transpose(%1) {perm = [0, 1, 3, 2]}
    %5: f32[2, 3, 5, 5] = matmul(%0, %4)
    )" + middle + R"(
    %9: f32[2, 3, 5, 4] = matmul(%8, %2)
    output %9 "y"
    )" + output);
  };
  const std::string softmax = "%8: f32[2, 3, 5, 5] = softmax(%5) {axis = 3, log = false}";
  EXPECT_EQ(left(softmax, "output %8 \"weights\""), "matmul=2 softmax=1 transpose=1");
  EXPECT_EQ(left(softmax, "output %5 \"scores\""), "matmul=2 softmax=1 transpose=1");
  EXPECT_EQ(left("%8: f32[2, 3, 5, 5] = softmax(%5) {axis = 2, log = false}", ""),
            "matmul=2 softmax=1 transpose=1");
  // The mask is scaled too.
  EXPECT_EQ(left(R"(
    %6: f32[2, 3, 5, 5] = add(%5, %3)
    %7: f32[] = constant() {data = [0.3]}
    %10: f32[2, 3, 5, 5] = mul(%6, %7)
    %8: f32[2, 3, 5, 5] = softmax(%10) {axis = 3, log = false})",
                 ""),
            "add=1 matmul=2 mul=1 softmax=1 transpose=1");
}

}  // namespace
}  // namespace tenon::passes
