#include "passes/loop/let_common.h"

#include <gtest/gtest.h>

#include "passes/loop/expand_math.h"
#include "passes/loop/vectorise.h"
#include "passes/loop_nests.h"

namespace tenon::passes {
namespace {

using namespace ir;

Function shared(Function function) {
  let_common(function);
  EXPECT_EQ(verify(function), "");
  return function;
}

std::string text_of(std::string_view text) { return to_string(shared(parse(text))); }

TEST(LetCommon, RandomNestsKeepTheirMeaning) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    auto [function, extent] = RandomNest(seed).make();
    std::vector<testing::Data> memory = whole_numbers(function, kNestElements);
    Function after = function;
    if (seed % 2) vectorise(after);
    after = shared(after);
    ASSERT_EQ(difference(function, after, memory, {extent, 3}), "")
        << "seed " << seed << "\n"
        << to_string(function) << to_string(after);
    if (seed % 8 == 0) testing::expect_agreement(after, memory, {extent, 3});
  }
}

TEST(LetCommon, NamesWhatABlockComputesTwice) {
  EXPECT_EQ(text_of(R"(
func f(n, m; in x: f32, out y: f32) tasks 1 as task {
  store y[n * m] = load x[n * m + 1] * load x[n * m + 1]
  store y[n] = load x[n * m + 1]
})"),
            R"(func f(n, m; in x: f32, out y: f32) tasks 1 as task {
  let common: i64 = n * m
  let common_1: f32 = load x[common + 1]
  store y[common] = common_1 * common_1
  store y[n] = common_1
}
)");
}

TEST(LetCommon, ALoadIsNotSharedAcrossAStore) {
  EXPECT_EQ(text_of(R"(
func f(n; inout y: f32, in x: f32) tasks 1 as task {
  store y[0] = load y[n] + load y[n]
  store y[1] = load y[n]
  for i = 0 to 3 {
    store y[i] = load y[n] + load x[n]
  }
})"),
            R"(func f(n; inout y: f32, in x: f32) tasks 1 as task {
  let common: f32 = load y[n]
  store y[0] = common + common
  store y[1] = load y[n]
  let common_1: f32 = load x[n]
  for i = 0 to 3 {
    store y[i] = load y[n] + common_1
  }
}
)");
}

TEST(LetCommon, HoistsOutOfLoopsWhatTheyDoNotChange) {
  EXPECT_EQ(text_of(R"(
func f(n, m; in x: f32, in scale: f32, out y: f32) tasks 1 as task {
  reg r: i64 = n
  for i = 0 to 4 {
    r = r + 1
    for j = 0 to 5 {
      store y[(task * m + i) * 5 + j] mask(j < n) = load x[r * m + j] * load scale[m * 2]
    }
  }
})"),
            R"(func f(n, m; in x: f32, in scale: f32, out y: f32) tasks 1 as task {
  reg r: i64 = n
  let common: i64 = task * m
  let common_1: f32 = load scale[m * 2]
  for i = 0 to 4 {
    r = r + 1
    let common_2: i64 = (common + i) * 5
    let common_3: i64 = r * m
    for j = 0 to 5 {
      store y[common_2 + j] mask(j < n) = load x[common_3 + j] * common_1
    }
  }
}
)");
}

TEST(LetCommon, ALoadLeavesOnlyALoopThatSurelyPerformsIt) {
  auto hoists = [](std::string_view loop) {
    std::string text =
        text_of(fmt::format("func f(n; in x: f32, out y: f32) tasks 1 as task {{ {} }}", loop));
    return text.find("load x") < text.find("for");
  };
  EXPECT_TRUE(hoists("for i = 0 to 4 { store y[i] = load x[7] }"));
  EXPECT_FALSE(hoists("for i = 0 to n { store y[i] = load x[7] }"));
  EXPECT_FALSE(hoists("for i = 4 to 4 { store y[i] = load x[7] }"));
  EXPECT_FALSE(hoists("for i = 0 to 4 { if i < n { store y[i] = load x[7] } }"));
  EXPECT_FALSE(hoists("for i = 0 to 4 { check i < n code 5 store y[i] = load x[7] }"));
  EXPECT_FALSE(
      hoists("for i = 0 to 4 { for j = 0 to 2 { check j < n code 5 } store y[i] = load x[7] }"));
}

TEST(LetCommon, ALetGivesItsNameToLaterUses) {
  EXPECT_EQ(text_of(R"(
func f(n, m; out y: i64) tasks 1 as task {
  let a: i64 = n * m
  let b: i64 = a
  store y[b] = n * m + b
})"),
            R"(func f(n, m; out y: i64) tasks 1 as task {
  let a: i64 = n * m
  store y[a] = a + a
}
)");
}

TEST(LetCommon, ExpandedMathStaysLinear) {
  LoopBuilder b("deep");
  BufferId x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
  E n = b.param("n");
  b.loop(
      "i", n,
      [&](E i) {
        E value = b.load(x, i);
        for (int k = 0; k < 12; ++k)
          value = value * b.unary(ExprKind::kTanh, b.unary(ExprKind::kSoftplus, value));
        b.store(x, i, value);
      },
      LoopKind::kVector);
  Function function = b.finish();
  vectorise(function);
  expand_math(function);
  function = shared(function);
  EXPECT_LT(to_string(function).size(), 200'000u);
  EXPECT_LT(function.statements.size(), 3000u);
}

}  // namespace
}  // namespace tenon::passes
