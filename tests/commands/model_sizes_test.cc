// What compiled networks need, on every target: a change that alters it does so on purpose.
#include <fmt/format.h>

#include "commands/plan_view.h"
#include "testing/networks.h"
#include "testing/table.h"

namespace tenon::commands {
namespace {

std::string row(const std::string& name, const ir::Module& module, const std::string& target) {
  const Result<driver::CompiledModel> compiled = driver::compile(module, {.target = target});
  if (!compiled) throw std::runtime_error(compiled.error().text());
  const PlanView view = PlanView::of(compiled->artifact).front();
  return fmt::format("{:<14} {:<12} {:>8} {:>9} {:>8} {:>9}", name, target,
                     view.plan().kernel_count, view.memory()->arena, view.header().code_bytes,
                     view.header().weights_bytes);
}

TEST(ModelSizes, AreThoseOfTheTable) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "instrumented code is larger";
#endif
  std::set<std::string> rows;
  for (const auto& [name, module] : testing::networks()) {
    for (const std::string& target : target_names()) rows.insert(row(name, module, target));
  }
  EXPECT_TRUE(testing::matches_table("model_sizes.txt", rows));
}

}  // namespace
}  // namespace tenon::commands
