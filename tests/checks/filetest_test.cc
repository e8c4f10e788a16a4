// All filetests, and that a filetest which is wrong is found to be so.
#include "checks/filetest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "testing/checkout.h"

namespace tenon::checks {
namespace {

TEST(FileTests, AllAreRight) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(testing::in_checkout("tests/filetests"))) {
    if (entry.path().extension() != ".tn") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    const bool must_fail = entry.path().filename().string().starts_with("fail_");
    const Outcome outcome = run_filetest(text.str(), must_fail);
    for (const std::string& problem : outcome.problems) {
      ADD_FAILURE() << entry.path().string() << ": " << problem
                    << "\n(build/release/bin/filetest --bless accepts it)";
    }
    EXPECT_TRUE(!outcome.problems.empty() || outcome.blessed == text.str())
        << "blessing changes " << entry.path();
    ++count;
  }
  EXPECT_GT(count, 20U);
}

constexpr std::string_view kInput = R"(// Doubles.
==== input
module "m" {
  input %0 "x": f32[2]
  %1: f32[2] = add(%0, %0)
  output %1 "y"
}
)";

std::string problem_of(const std::string& rest, bool must_fail = false) {
  const Outcome outcome = run_filetest(std::string(kInput) + rest, must_fail);
  return outcome.problems.empty() ? "" : outcome.problems.front();
}

TEST(FileTests, WrongTextIsFoundAndBlessed) {
  const std::string wrong = std::string(kInput) + "==== to group lines group\n  group [%0]\n";
  const Outcome outcome = run_filetest(wrong, false);
  ASSERT_EQ(outcome.problems.size(), 1U);
  EXPECT_EQ(outcome.problems[0],
            "to group lines group: line 1 is\n      group [%1]\n  and not\n      group [%0]");
  EXPECT_EQ(outcome.blessed, std::string(kInput) + "==== to group lines group\n  group [%1]\n");
}

TEST(FileTests, WrongValuesAreFoundAndBlessed) {
  const std::string right = "==== run\nx: f32[2] = [1, 2]\ny: f32[2] = [2, 4]\n";
  EXPECT_EQ(problem_of(right), "");
  const Outcome outcome = run_filetest(
      std::string(kInput) + "==== run\nx: f32[2] = [1, 2]\ny: f32[2] = [2, 5]\n", false);
  EXPECT_EQ(outcome.problems.size(), 1U);
  EXPECT_EQ(outcome.blessed, std::string(kInput) + right);
  EXPECT_EQ(problem_of("==== run\nx: f32[2] = [1, 2]\n"), "run: expected a value 'y'");
  EXPECT_EQ(problem_of("==== run\nx: f32[2] = random\n"), "");
}

/// An operator's meaning and its code cannot disagree by accident: a function says what it says.
TEST(FileTests, FunctionsRunAsTheyAreWritten) {
  const std::string text = R"(==== input
func f(n; in x: i32, out y: i32) tasks n as task {
  if task > 0 {
    store y[task] = load x[task] * 2
  }
}
==== run
n = 3
tasks = 3
x: i32[3] = [5, 6, 7]
y: i32[3] = [0, 12, 14]
)";
  EXPECT_TRUE(run_filetest(text, false).problems.empty());
}

TEST(FileTests, ErrorsBelongToFilesThatFail) {
  const std::string error = "==== error to nowhere\nno step\n";
  EXPECT_NE(problem_of(error).find("begin with 'fail_'"), std::string::npos);
  EXPECT_NE(problem_of(error, true).find("there is no step 'nowhere'"), std::string::npos);
  EXPECT_EQ(problem_of("==== error to place\nno error\n", true), "");
  EXPECT_NE(problem_of("==== to place\n", true).find("begin with 'fail_'"), std::string::npos);
}

TEST(FileTests, WrongFilesAreNamedAndNotBlessed) {
  EXPECT_NE(problem_of("==== nonsense now\n").find("expected 'run'"), std::string::npos);
  EXPECT_NE(problem_of("==== show llvm\n").find("expected 'step' or 'to'"), std::string::npos);
  const std::string wrong = std::string(kInput) + "==== run\nx: f32[3] = [1]\n";
  EXPECT_EQ(run_filetest(wrong, false).blessed, wrong);
  EXPECT_NE(problem_of("==== run\nx: f32[3] = [1]\n").find("fewer elements"), std::string::npos);
  EXPECT_NE(problem_of("==== run\n").find("there is no value 'x'"), std::string::npos);
  EXPECT_NE(problem_of("==== to place lines (\n").find("after 'lines'"), std::string::npos);
  EXPECT_FALSE(run_filetest("==== input\nmodule \"m\" {}\n", false).problems.empty());
}

}  // namespace
}  // namespace tenon::checks
