// A wrong rule of algebra. That fuzzing the tables sees one too is in tests/passes.
#include "passes/rules/rewrite.h"
#include "planted/planted.h"

namespace tenon::testing {
namespace {

std::string finding_of(passes::Rule rule) {
  const Subject subject;
  const passes::RuleSet rules({&rule, 1});
  size_t applied = 0;
  const auto artifact = compile_with(subject.module, "simplify", [&](driver::State& state) {
    applied = passes::rewrite(state.module, rules);
  });
  EXPECT_GT(applied, 0U) << rule.from;
  return finding(artifact, subject);
}

TEST(PlantedRule, IsSeen) {
  EXPECT_EQ(finding_of({"add(x, tanh(y))", "sub(x, neg(tanh(y)))"}), "");
  EXPECT_NE(finding_of({"add(x, tanh(y))", "sub(x, tanh(y))"}), "");
  EXPECT_NE(finding_of({"tanh(x)", "sigmoid(x)"}), "");
}

}  // namespace
}  // namespace tenon::testing
