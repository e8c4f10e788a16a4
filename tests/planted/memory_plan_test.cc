// Plans that put two buffers into one place though both are in use, and lives that end too early.
#include "planted/planted.h"

namespace tenon::testing {
namespace {

/// A module whose parts can be changed.
struct Plan {
  explicit Plan(const tenon_module& original)
      : module(original),
        buffers(original.buffers, original.buffers + original.buffer_count),
        step_buffers(original.step_buffers, original.step_buffers + original.step_buffer_count) {
    module.buffers = buffers.data();
    module.step_buffers = step_buffers.data();
  }
  Plan(const Plan&) = delete;

  bool in_arena(uint32_t b) const { return buffers[b].kind == TENON_BUFFER_ARENA; }
  bool meet(uint32_t a, uint32_t b) const {
    return buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last;
  }
  int64_t bytes(uint32_t b) const { return module.slots[buffers[b].bytes].value; }

  /// Lets `b` have the memory of `a`.
  void join(uint32_t a, uint32_t b) {
    if (bytes(a) < bytes(b)) buffers[a].bytes = buffers[b].bytes;
    buffers[a].first = std::min(buffers[a].first, buffers[b].first);
    buffers[a].last = std::max(buffers[a].last, buffers[b].last);
    std::ranges::replace(step_buffers, b, a);
  }

  tenon_module module;
  std::vector<tenon_buffer> buffers;
  std::vector<uint32_t> step_buffers;
};

class PlantedMemoryPlan : public ::testing::Test {
 protected:
  const Subject subject;
  const LoadedArtifact loaded{compile_with(subject.module, "simplify", [](driver::State&) {})};
  const tenon_module& module = *loaded.module();
};

TEST_F(PlantedMemoryPlan, EveryOverlapIsSeen) {
  EXPECT_EQ(finding(module, subject), "");
  size_t planted = 0;
  for (uint32_t a = 0; a < module.buffer_count; ++a) {
    for (uint32_t b = 0; b < a; ++b) {
      Plan plan(module);
      if (!plan.in_arena(a) || !plan.in_arena(b) || !plan.meet(a, b)) continue;
      plan.join(a, b);
      EXPECT_NE(finding(plan.module, subject), "") << "buffers " << a << " and " << b;
      ++planted;
    }
  }
  EXPECT_GT(planted, 0U);
}

TEST_F(PlantedMemoryPlan, ALifeThatEndsEarlyIsRefused) {
  size_t planted = 0;
  for (uint32_t b = 0; b < module.buffer_count; ++b) {
    Plan plan(module);
    if (!plan.in_arena(b) || plan.buffers[b].first == plan.buffers[b].last) continue;
    plan.buffers[b].last = plan.buffers[b].first;
    tenon_error error = {};
    EXPECT_EQ(tenon_load_module(&plan.module, nullptr, &error), nullptr);
    EXPECT_NE(std::string(error.message).find("used outside its lifetime"), std::string::npos);
    ++planted;
  }
  EXPECT_GT(planted, 0U);
}

}  // namespace
}  // namespace tenon::testing
