#include "passes/loop/vectorise.h"

#include <gtest/gtest.h>
#include <algorithm>

#include <algorithm>

#include "passes/loop/expand_math.h"
#include "passes/loop_nests.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool has_vector_loop(const Function& function) {
  return std::ranges::any_of(function.statements, [](const Statement& s) {
    return s.kind == StatementKind::kFor && s.loop == LoopKind::kVector;
  });
}

bool has_vectors(const Function& function) {
  return std::ranges::any_of(function.exprs, [](const Expr& e) { return e.type.lanes > 1; });
}

Function vectorised(const Function& function, VectoriseOptions options = {}) {
  Function after = function;
  vectorise(after, options);
  EXPECT_EQ(verify(after), "");
  EXPECT_FALSE(has_vector_loop(after));
  return after;
}

std::string text_of(std::string_view text, VectoriseOptions options = {}) {
  return to_string(vectorised(parse(text), options));
}

TEST(Vectorise, RandomNestsKeepTheirMeaning) {
  int widened = 0;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    auto [function, extent] = RandomNest(seed).make();
    ASSERT_EQ(verify(function), "");
    std::vector<testing::Data> memory = whole_numbers(function, kNestElements);
    VectoriseOptions options{.vector_bytes = 16 << seed % 3, .exact = seed % 5 == 0};
    Function after = vectorised(function, options);
    ASSERT_EQ(difference(function, after, memory, {extent, 3}), "")
        << "seed " << seed << "\n"
        << to_string(function) << to_string(after);
    widened += has_vectors(after);
    if (seed % 8 == 0) testing::expect_agreement(after, memory, {extent, 3});
  }
  EXPECT_GT(widened, 200);
}

constexpr std::string_view kAddOne = R"(
func f(; in x: f32, out y: f32) tasks 1 as task {
  vector for i = 0 to 13 {
    store y[i] = load x[i] + 1.0
  }
})";

TEST(Vectorise, ComparisonCatchesAWrongTail) {
  Function before = parse(kAddOne);
  std::vector<testing::Data> memory = whole_numbers(before, 16);
  Function after = vectorised(before);
  ASSERT_EQ(difference(before, after, memory), "");
  for (Statement& s : after.statements) {  // the tail starts one element late
    if (s.kind == StatementKind::kFor && s.number == 1) {
      s.index = after.intern({.kind = ExprKind::kInteger, .type = {}, .bits = 9});
    }
  }
  EXPECT_EQ(difference(before, after, memory).substr(0, 5), "y[8] ");
}

TEST(Vectorise, WholeVectorsThenATail) {
  EXPECT_EQ(text_of(kAddOne), R"(func f(; in x: f32, out y: f32) tasks 1 as task {
  for i = 0 to 8 step 8 {
    store y[i] = load x[i]:8 + 1.0
  }
  for i = 8 to 13 {
    store y[i] = load x[i] + 1.0
  }
}
)");
}

TEST(Vectorise, AReductionGetsAccumulators) {
  EXPECT_EQ(text_of(R"(
func dot(n; in x: f32, in z: f32, out y: f32) tasks 1 as task {
  reg sum: f32 = 0.0
  vector for i = 0 to n {
    sum = fma(load x[i], load z[i], sum)
  }
  store y[0] = sum
})"),
            R"(func dot(n; in x: f32, in z: f32, out y: f32) tasks 1 as task {
  reg sum: f32 = 0.0
  reg sum_1: f32x8 = -0.0
  reg sum_2: f32x8 = -0.0
  reg sum_3: f32x8 = -0.0
  reg sum_4: f32x8 = -0.0
  let whole: i64 = max(n, 0) & -32
  for i = 0 to whole step 32 {
    sum_1 = fma(load x[i]:8, load z[i]:8, sum_1)
    sum_2 = fma(load x[i + 8]:8, load z[i + 8]:8, sum_2)
    sum_3 = fma(load x[i + 16]:8, load z[i + 16]:8, sum_3)
    sum_4 = fma(load x[i + 24]:8, load z[i + 24]:8, sum_4)
  }
  let whole_1: i64 = max(n, 0) & -8
  for i = whole to whole_1 step 8 {
    sum_1 = fma(load x[i]:8, load z[i]:8, sum_1)
  }
  sum = sum + reduce_add(sum_1 + sum_2 + sum_3 + sum_4)
  for i = whole_1 to n {
    sum = fma(load x[i], load z[i], sum)
  }
  store y[0] = sum
}
)");
}

TEST(Vectorise, MathGetsAMaskedTail) {
  EXPECT_EQ(text_of(R"(
func f(; in x: f32, out y: f32) tasks 1 as task {
  vector for i = 0 to 13 {
    store y[i] = exp(load x[i])
  }
})"),
            R"(func f(; in x: f32, out y: f32) tasks 1 as task {
  for i = 0 to 8 step 8 {
    store y[i] = exp(load x[i]:8)
  }
  let active: boolx8 = ramp(i32(0), 1, 8) < 5
  for i = 8 to 13 step 8 {
    store y[i] mask(active) = exp(load x[i]:8 mask(active))
  }
}
)");
}

TEST(Vectorise, ReadsAStrideOfTwoWithoutGather) {
  EXPECT_EQ(text_of(R"(
func f(; in x: f32, out y: f32) tasks 1 as task {
  vector for i = 0 to 8 {
    store y[i] = load x[i * 2 + 3]
  }
})"),
            R"(func f(; in x: f32, out y: f32) tasks 1 as task {
  for i = 0 to 8 step 8 {
    store y[i] = shuffle(load x[i * 2 + 3]:8, load x[i * 2 + 10]:8, [0, 2, 4, 6, 9, 11, 13, 15])
  }
}
)");
}

TEST(Vectorise, UsesANarrowerVectorForAShortLoop) {
  std::string text = text_of(R"(
func f(; in x: f32, out y: f32) tasks 1 as task {
  vector for i = 0 to 7 {
    store y[i] = load x[i]
  }
})");
  EXPECT_NE(text.find("load x[i]:4"), std::string::npos) << text;
}

TEST(Vectorise, CountsLanesByTheNarrowestFloat) {
  std::string text = text_of(R"(
func f(; in x: u8, in z: f64, in i: i64, out y: f32) tasks 1 as task {
  vector for i = 0 to 64 {
    store y[i] = cast(load x[i], f32) + cast(load z[i], f32)
  }
})");
  EXPECT_NE(text.find("load z[i]:8"), std::string::npos) << text;
  text = text_of(R"(
func f(; in x: u8, out y: u8) tasks 1 as task {
  vector for i = 0 to 64 {
    store y[i] = load x[i]
  }
})");
  EXPECT_NE(text.find("load x[i]:32"), std::string::npos) << text;
}

/// The body of a kVector loop that has to stay scalar.
void expect_scalar(std::string_view body, VectoriseOptions options = {}) {
  Function function = parse(fmt::format(
      "func f(n; in x: f32, inout y: f32, out z: f32) tasks 1 as task {{ reg r: f32 = 0.0 "
      "reg s: f32 = 0.0 vector for i = 0 to n {{ {} }} store z[0] = r + s }}",
      body));
  EXPECT_FALSE(has_vectors(vectorised(function, options))) << body;
}

TEST(Vectorise, LeavesScalarWhatDoesNotWiden) {
  expect_scalar("store y[3] = load x[i]");
  expect_scalar("r = r + load x[i] store y[i] = r");
  expect_scalar("r = r + load x[i] r = max(r, load x[i])");
  expect_scalar("s = r r = r + load x[i]");
  expect_scalar("r = load x[i]");
  expect_scalar("r = fma(r, load x[i], r)");
  expect_scalar("if load x[i] < 0.0 { store y[i] = 1.0 }");
  expect_scalar("for j = 0 to i { store y[i] = load x[j] }");
  expect_scalar("check load x[i] < 1.0 code 5");
  expect_scalar("r = r + load x[i]", {.exact = true});
}

TEST(Vectorise, MaskedTailsOfReductions) {
  for (int64_t extent : {0, 1, 3, 4, 5, 7, 8, 9, 13, 16, 31}) {
    Function function = parse(fmt::format(R"(
func softmax(n; in x: f32, out y: f32) tasks 1 as task {{
  reg sum: f32 = 1.0
  reg top: f32 = -inf
  vector for i = 0 to {} {{
    let e: f32 = exp(load x[i])
    store y[i + 4] = e
    sum = sum + e
    top = max(top, exp(-(load x[i])))
  }}
  store y[0] = sum
  store y[1] = top
}})",
                                          extent % 2 ? std::to_string(extent) : "n"));
    std::vector<testing::Data> memory = whole_numbers(function, 64);
    for (std::byte& b : memory[1].bytes) b = {};
    Function after = vectorised(function);
    expand_math(function);
    expand_math(after);
    auto as_floats = [&](const Function& f) {
      std::vector<testing::Data> copy = memory;
      void* pointers[] = {copy[0].bytes.data(), copy[1].bytes.data()};
      int64_t params[] = {extent};
      EXPECT_EQ(interp::run(f, pointers, params, 0, 1).value(), 0);
      auto* y = reinterpret_cast<const float*>(copy[1].bytes.data());
      return std::vector<float>(y, y + 64);
    };
    std::vector<float> wanted = as_floats(function), got = as_floats(after);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (got[i] == wanted[i]) continue;  // infinities
      EXPECT_NEAR(got[i], wanted[i], 1e-5 * std::abs(wanted[i])) << extent << " " << i;
    }
  }
}

}  // namespace
}  // namespace tenon::passes
