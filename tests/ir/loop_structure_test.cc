#include "ir/loop_structure.h"

#include <gtest/gtest.h>

#include <set>

#include "ir/loop_text.h"

namespace tenon::ir {
namespace {

std::string structure_of(const std::string& text) {
  auto function = parse_function(text);
  EXPECT_TRUE(function) << function.error().text();
  return structure(*function);
}

TEST(LoopStructure, IgnoresNamesOnly) {
  const std::string text =
      "func f(n; in x: f32, out y: f32[n]) tasks n as task { let a: f32 = load x[task] store "
      "y[task] = a + 1.0 }";
  EXPECT_EQ(structure_of(text),
            structure_of("func g(m; in u: f32, out v: f32[m]) tasks m as t { let b: f32 = load "
                         "u[t] store v[t] = b + 1.0 }"));
  std::set<std::string> different = {structure_of(text)};
  size_t count = 1;
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"1.0", "2.0"},
                                                        {"a + ", "a * "},
                                                        {"tasks n", "tasks n * 2"},
                                                        {"f32[n]", "f32[n * 2]"},
                                                        {"out y", "inout y"},
                                                        {"y[task]", "y[task + 1]"},
                                                        {"(n;", "(n, m;"},
                                                        {"store", "check task < n code 1 store"},
                                                        {"let a", "reg a"}}) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    different.insert(structure_of(changed));
    EXPECT_EQ(different.size(), ++count) << changed;
  }
}

}  // namespace
}  // namespace tenon::ir
