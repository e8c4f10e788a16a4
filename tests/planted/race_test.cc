// A kernel whose tasks depend on each other: right in order on one thread, else a race.
#include "ir/loop_text.h"
#include "runtime/plan_builder.h"
#include "testing/models.h"
#include "testing/native.h"

namespace tenon::testing {
namespace {

constexpr int64_t kTasks = 4096;

class RunningSum {
 public:
  RunningSum() : code_(compile()) {
    const uint32_t count = plan_.constant(kTasks), bytes = plan_.constant(kTasks * 4);
    const uint32_t in = plan_.input("x", {count}), out = plan_.output("y", {count});
    plan_.step("sum", code_.kernel(0),
               {plan_.buffer({TENON_BUFFER_INPUT, in, 0, 0, bytes, 0, 0}),
                plan_.buffer({TENON_BUFFER_OUTPUT, out, 0, 0, bytes, 0, 0})},
               {}, count, true);
  }

  std::vector<ops::Tensor> run(const RunOptions& options) const {
    ops::Tensor ones(ir::DType::kFloat32, {kTasks});
    for (float& one : ones.as<float>()) one = 1;
    return run_module(plan_.module(), {&ones, 1}, options);
  }

 private:
  static codegen::Image compile() {
    const ir::Function function = value_or_throw(
        ir::parse_function("func sum(; in x: f32[4096], inout y: f32[4096]) tasks 4096 as task {\n"
                           "  if task == 0 { store y[0] = load x[0] }\n"
                           "  else { store y[task] = load y[task - 1] + load x[task] }\n"
                           "}"));
    return codegen::compile({&function, 1}, host_target());
  }

  NativeCode code_;
  runtime::testing::PlanBuilder plan_;
};

TEST(PlantedRace, IsSeenByARunInAnotherOrder) {
  const RunningSum sum;
  EXPECT_EQ(sum.run({.threads = 1})[0].number(kTasks - 1), kTasks);
  EXPECT_TRUE(std::isnan(sum.run({.threads = 1, .poisoned = true})[0].number(kTasks - 1)));
}

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }

TEST(PlantedRace, IsSeenByTheThreadSanitizer) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const RunningSum sum;
        // A loaded machine may leave many runs to one thread.
        for (int i = 0; i < 10000; ++i) sum.run({.threads = 2});
        std::abort();
      },
      "data race");
}
#endif

}  // namespace
}  // namespace tenon::testing
