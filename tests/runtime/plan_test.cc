// Plans written by hand: symbolic sizes, steps that fail and damaged modules.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "demo.h"
#include "handles.h"
#include "plan_builder.h"

namespace tenon::runtime::testing {
namespace {

/// buffers: a[n], b[n], out[n]; out = a + b.
int32_t add(const tenon_args* args, int64_t begin, int64_t end) {
  auto* a = static_cast<const float*>(args->buffers[0]);
  auto* b = static_cast<const float*>(args->buffers[1]);
  auto* out = static_cast<float*>(args->buffers[2]);
  for (int64_t i = begin; i < end; ++i) out[i] = a[i] + b[i];
  return 0;
}

int32_t nothing(const tenon_args*, int64_t, int64_t) { return 0; }

/// out[batch * 2] = x[batch, 2] + twice x, through an arena buffer that grows with the batch; input
/// y[batch, batch + 1] must agree with x.
struct BatchPlan {
  PlanBuilder builder;
  BatchPlan() {
    uint32_t batch = builder.dim(0, 0), two = builder.constant(2), one = builder.constant(1);
    uint32_t count = builder.slot(TENON_SLOT_MUL, batch, two);
    uint32_t bytes = builder.slot(TENON_SLOT_MUL, count, builder.constant(4));
    uint32_t more = builder.slot(TENON_SLOT_ADD, batch, one);
    builder.input("x", {batch, two});
    builder.input("y", {batch, more});
    builder.output("out", {count});
    uint32_t x = builder.buffer({TENON_BUFFER_INPUT, 0, 0, 0, bytes, 0, 0});
    uint32_t out = builder.buffer({TENON_BUFFER_OUTPUT, 0, 0, 0, bytes, 0, 0});
    uint32_t twice = builder.arena(0, 1, bytes);
    builder.step("double", add, {x, x, twice}, {}, count, true);
    builder.step("plus x", add, {twice, x, out}, {}, count, true);
  }
};

TEST(Plan, SizesFollowTheBatch) {
  BatchPlan plan;
  tenon_module module = plan.builder.module();
  Model model = load(module, 2);
  ASSERT_TRUE(model);
  Context context = context_of(model);
  for (int64_t batch : {1, 4, 100'000, 3, 0, 4}) {
    std::vector<float> x(static_cast<size_t>(batch) * 2), out(x.size(), -1);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 100);
    tenon_tensor inputs[] = {tensor(x.data(), {batch, 2}), tensor(nullptr, {batch, batch + 1})};
    tenon_tensor output = {};
    output.data = out.data();
    tenon_error error = {};
    ASSERT_EQ(tenon_run(context.get(), inputs, &output, &error), TENON_OK) << error.message;
    EXPECT_EQ(output.dims[0], batch * 2);
    for (float& value : x) value *= 3;
    EXPECT_EQ(out, x) << batch;
  }
}

TEST(Plan, DimsMustAgree) {
  BatchPlan plan;
  tenon_module module = plan.builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  tenon_tensor output = {};
  auto message = [&](std::vector<int64_t> y) {
    tenon_tensor inputs[] = {tensor(nullptr, {5, 2}), tensor(nullptr, y)};
    tenon_error error = {};
    EXPECT_EQ(tenon_infer(context.get(), inputs, &output, &error), TENON_ERROR_INPUT);
    return std::string(error.message);
  };
  EXPECT_EQ(message({4, 6}),
            "input 'y' is f32[?, ?] but the call gives f32[4, 6]: dim 0 must be 5, as dim 0 of "
            "input 'x'");
  EXPECT_EQ(message({5, 7}),
            "input 'y' is f32[?, ?] but the call gives f32[5, 7]: dim 1 must be 6 for the other "
            "sizes of this call");
}

TEST(Plan, SlotArithmetic) {
  PlanBuilder builder;
  uint32_t n = builder.dim(0, 0), seven = builder.constant(7), minus = builder.constant(-3);
  uint32_t shifted = builder.slot(TENON_SLOT_SUB, n, seven);
  builder.input("n", {n});
  uint32_t floor = builder.slot(TENON_SLOT_FLOOR_DIV, shifted, n);
  uint32_t mod = builder.slot(TENON_SLOT_MOD, shifted, n);
  auto positive = [&](uint32_t slot) {
    return builder.slot(TENON_SLOT_ADD, slot, builder.constant(100));
  };
  builder.output("out",
                 {positive(floor), positive(mod), positive(builder.slot(TENON_SLOT_MIN, n, minus)),
                  positive(builder.slot(TENON_SLOT_MAX, n, minus))});
  tenon_module module = builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  auto dims = [&](int64_t size) {
    tenon_tensor input = tensor(nullptr, {size}), output = {};
    EXPECT_EQ(tenon_infer(context.get(), &input, &output, nullptr), size > 0 ? 0 : 4);
    return std::vector<int64_t>(output.dims, output.dims + output.rank);
  };
  EXPECT_EQ(dims(4), (std::vector<int64_t>{99, 101, 97, 104}));  // -3 = -1 * 4 + 1
  EXPECT_EQ(dims(3), (std::vector<int64_t>{98, 102, 97, 103}));  // -4 = -2 * 3 + 2
  EXPECT_EQ(dims(7), (std::vector<int64_t>{100, 100, 97, 107}));
  dims(0);
}

TEST(Plan, AFailingStepIsNamed) {
  using Kernel = tenon_kernel;
  const std::pair<Kernel, std::string> cases[] = {
      {[](const tenon_args*, int64_t, int64_t) { return int32_t{TENON_KERNEL_INDEX}; },
       "Gather 'embed': an index in its input is out of range"},
      {[](const tenon_args*, int64_t, int64_t) { return int32_t{TENON_KERNEL_EXTENT}; },
       "Gather 'embed': its code accesses memory outside a buffer; this is a bug of the compiler"},
      {[](const tenon_args*, int64_t, int64_t end) { return int32_t{end == 64 ? 77 : 0}; },
       "Gather 'embed': its code reports error 77"},
  };
  for (const auto& [kernel, message] : cases) {
    PlanBuilder builder;
    builder.step("first", nothing, {});
    builder.step("Gather 'embed'", kernel, {}, {}, builder.constant(64), true);
    builder.step("last", nothing, {});
    tenon_module module = builder.module();
    Model model = load(module, 2);
    Context context = context_of(model);
    tenon_error error = {};
    EXPECT_EQ(tenon_run(context.get(), nullptr, nullptr, &error), TENON_ERROR_KERNEL);
    EXPECT_EQ(error.message, message);
    tenon_profile(context.get(), 1);
    EXPECT_EQ(tenon_run(context.get(), nullptr, nullptr, &error), TENON_ERROR_KERNEL);
    EXPECT_EQ(error.message, message);
  }
}

TEST(Plan, KernelsGetAlignedScratchOfTheirOwnAndTheNextWeights) {
  alignas(64) static float weights[32];
  struct Seen {
    static int32_t kernel(const tenon_args* args, int64_t begin, int64_t end) {
      auto* expected = static_cast<const void*>(weights + 16);
      if (args->next_weights != expected) return 5;
      if (reinterpret_cast<uintptr_t>(args->scratch) % 64 != 0) return 6;
      // Two threads in one scratch would see each other's marks.
      auto* mark = static_cast<volatile int64_t*>(args->scratch);
      for (int64_t t = begin; t < end; ++t) {
        for (int i = 0; i < 10; ++i) mark[i] = t;
        for (int i = 0; i < 10; ++i) {
          if (mark[i] != t) return 7;
        }
      }
      return 0;
    }
  };
  PlanBuilder builder;
  uint32_t bytes = builder.constant(64);
  builder.weights(weights, sizeof weights);
  uint32_t next = builder.buffer({TENON_BUFFER_WEIGHT, 0, 0, 0, bytes, 0, 64});
  builder.step("first", Seen::kernel, {}, {}, builder.constant(5000), true);
  builder.step("second", nothing, {next});
  tenon_module module = builder.module();
  std::vector<tenon_step> steps(module.steps, module.steps + module.step_count);
  steps[0].scratch = builder.constant(80);
  module = builder.module();
  module.steps = steps.data();
  Model model = load(module, 4);
  Context context = context_of(model);
  for (int round = 0; round < 20; ++round) {
    tenon_error error = {};
    ASSERT_EQ(tenon_run(context.get(), nullptr, nullptr, &error), TENON_OK) << error.message;
  }
}

/// buffers: x[1], y[rounds, 8]; y[0] = x, each row then the sums of the row before.
int32_t sums_of_the_row_before(const tenon_args* args, int64_t begin, int64_t end) {
  auto* x = static_cast<const float*>(args->buffers[0]);
  auto* y = static_cast<float*>(args->buffers[1]);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = i / 8;
    y[i] = row == 0 ? x[0] : 0;
    for (int64_t k = 0; row > 0 && k < 8; ++k) y[i] += y[(row - 1) * 8 + k] / 8 + 0.125f;
  }
  return 0;
}

TEST(Plan, ARoundBeginsWhenTheOneBeforeItHasEnded) {
  constexpr int64_t kRounds = 3000;
  for (uint32_t threads : {1u, 2u, 4u}) {
    PlanBuilder b;
    const uint32_t one = b.constant(1), four = b.constant(4), count = b.constant(kRounds * 8);
    b.input("x", {one});
    b.output("y", {count});
    b.step("chain", sums_of_the_row_before,
           {b.buffer({TENON_BUFFER_INPUT, 0, 0, 0, four, 0, 0}),
            b.buffer({TENON_BUFFER_OUTPUT, 0, 0, 0, b.constant(kRounds * 32), 0, 0})},
           {}, count, true, kRounds);
    const tenon_module module = b.module();
    const Model model = load(module, threads);
    ASSERT_TRUE(model);
    const Context context = context_of(model);
    float x = 5;
    std::vector<float> y(kRounds * 8);
    const tenon_tensor input = tensor(&x, {1});
    tenon_tensor output = {};
    output.data = y.data();
    ASSERT_EQ(tenon_run(context.get(), &input, &output, nullptr), TENON_OK);
    for (int64_t i = 0; i < kRounds * 8; ++i) ASSERT_EQ(y[i], 5 + i / 8) << i;
  }
}

/// buffers: when each task ran, from 0; the number of tasks that ran so far.
int32_t count_tasks(const tenon_args* args, int64_t begin, int64_t end) {
  auto* place = static_cast<int64_t*>(args->buffers[0]);
  auto* ran = static_cast<int64_t*>(args->buffers[1]);
  for (int64_t i = begin; i < end; ++i) place[i] = (*ran)++;
  return 0;
}

/// A pool that gives one task after the other.
int32_t in_order(void*, tenon_work work, void* state, int64_t tasks) {
  for (int64_t t = 0; t < tasks; ++t) {
    if (int32_t status = work(state, t, t + 1, 0)) return status;
  }
  return 0;
}

/// When each of the tasks ran, 5 in each of 3 rounds.
std::vector<int64_t> places(bool parallel, uint32_t threads) {
  std::vector<int64_t> place(15), ran(1);
  PlanBuilder b;
  const uint32_t one = b.constant(1), count = b.constant(15);
  b.output("place", {count}, TENON_I64);
  b.output("ran", {one}, TENON_I64);
  b.step("count", count_tasks,
         {b.buffer({TENON_BUFFER_OUTPUT, 0, 0, 0, b.constant(15 * 8), 0, 0}),
          b.buffer({TENON_BUFFER_OUTPUT, 1, 0, 0, b.constant(8), 0, 0})},
         {}, count, parallel, 3);
  const tenon_module module = b.module();
  const tenon_pool pool = {in_order, nullptr, threads};
  const tenon_options options = {0, &pool};
  const Model model(tenon_load_module(&module, &options, nullptr));
  const Context context = context_of(model);
  tenon_tensor outputs[2] = {};
  outputs[0].data = place.data();
  outputs[1].data = ran.data();
  EXPECT_EQ(tenon_run(context.get(), nullptr, outputs, nullptr), TENON_OK);
  EXPECT_EQ(ran[0], 15);
  return place;
}

TEST(Plan, EverySecondRoundRunsTheTasksOfAThreadBackwards) {
  EXPECT_EQ(places(false, 2),
            (std::vector<int64_t>{0, 1, 2, 3, 4, 9, 8, 7, 6, 5, 10, 11, 12, 13, 14}));
  EXPECT_EQ(places(true, 2),
            (std::vector<int64_t>{0, 1, 2, 3, 4, 6, 5, 9, 8, 7, 10, 11, 12, 13, 14}));
}

TEST(Plan, RefusesRoundsThatDoNotDivideTheTasks) {
  for (int64_t rounds : {0, 3, -1}) {
    PlanBuilder b;
    b.step("uneven", nothing, {}, {}, b.constant(4), false, rounds);
    const tenon_module module = b.module();
    const Model model = load(module, 1);
    ASSERT_TRUE(model);
    const Context context = context_of(model);
    tenon_error error = {};
    EXPECT_EQ(tenon_run(context.get(), nullptr, nullptr, &error), TENON_ERROR_FORMAT);
    EXPECT_EQ(std::string(error.message),
              "the plan gives step 0 4 tasks in " + std::to_string(rounds) + " rounds");
  }
}

TEST(Plan, RefusesMoreMemoryThanThereIs) {
  PlanBuilder builder;
  uint32_t huge = builder.constant(int64_t{1} << 47);
  builder.step("step", nothing, {builder.arena(0, 0, huge)});
  tenon_module module = builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), nullptr, nullptr, &error), TENON_ERROR_MEMORY);
  EXPECT_STREQ(error.message, "no memory left for intermediate values: 140737488355520 bytes");
}

TEST(Plan, RefusesBuffersThatTheirTensorsCannotHold) {
  PlanBuilder builder;
  uint32_t n = builder.dim(0, 0);
  builder.input("x", {n});
  uint32_t bytes = builder.constant(41);
  builder.step("step", nothing, {builder.buffer({TENON_BUFFER_INPUT, 0, 0, 0, bytes, 0, 0})});
  tenon_module module = builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  float x[11];
  tenon_tensor input = tensor(x, {11});
  EXPECT_EQ(tenon_run(context.get(), &input, nullptr, nullptr), TENON_OK);
  input = tensor(x, {10});
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), &input, nullptr, &error), TENON_ERROR_FORMAT);
  EXPECT_STREQ(error.message, "the plan gives buffer 0 an impossible size: 41 bytes");
}

TEST(Plan, RefusesIndicesOutOfRange) {
  using Change = void (*)(tenon_module&, std::vector<tenon_slot>&, std::vector<tenon_binding>&,
                          std::vector<tenon_buffer>&, std::vector<tenon_step>&);
#define CHANGE(statement)                                                            \
  [](tenon_module& m, std::vector<tenon_slot>& slots, std::vector<tenon_binding>& x, \
     std::vector<tenon_buffer>& buffers, std::vector<tenon_step>& steps) {           \
    (void)m, (void)slots, (void)x, (void)buffers, (void)steps;                       \
    statement;                                                                       \
  }
  const std::pair<Change, const char*> changes[] = {
      {CHANGE(m.abi_version = 9),
       "made for version 9 of the runtime, but this is version 2: compile the model again"},
      {CHANGE(m.string_bytes -= 1), "its names do not end"},
      {CHANGE(slots[3].a = 3), "slot 3 has a bad operand"},
      {CHANGE(slots[0].b = 2), "slot 0 has a bad operand"},
      {CHANGE(slots[0].op = 10), "slot 0 has a bad operation"},
      {CHANGE(x[0].dims[1] = 11), "input 0 has a bad dim"},
      {CHANGE(x[0].rank = 9), "input 0 has a bad rank"},
      {CHANGE(x[0].dtype = 13), "input 0 has a bad dtype"},
      {CHANGE(x[0].name = 28), "input 0 has a bad name"},
      {CHANGE(buffers[0].index = 1), "buffer 0 has a bad input"},
      {CHANGE(buffers[1].offset = 257), "buffer 1 has a bad offset"},
      {CHANGE(buffers[2].last = 2), "buffer 2 has a bad lifetime"},
      {CHANGE(buffers[2].kind = 4), "buffer 2 has a bad kind"},
      {CHANGE(buffers[3].index = 1), "buffer 3 has a bad output"},
      {CHANGE(buffers[3].bytes = 11), "buffer 3 has a bad size"},
      {CHANGE(steps[0].kernel = 2), "step 0 has a bad kernel"},
      {CHANGE(steps[1].buffer_count = 3), "step 1 has a bad list of buffers or parameters"},
      {CHANGE(steps[1].first_param = UINT32_MAX), "step 1 has a bad list of buffers or parameters"},
      {CHANGE(steps[1].scratch = 11), "step 1 has a bad size"},
      {CHANGE(steps[0].rounds = 11), "step 0 has a bad size"},
      {CHANGE(buffers[2].last = 0), "step 1 has a bad buffer: it is used outside its lifetime"},
  };
#undef CHANGE
  const tenon_module& good = *tenon_demo_module();
  for (const auto& [change, message] : changes) {
    tenon_module module = good;
    std::vector<tenon_slot> slots(good.slots, good.slots + good.slot_count);
    std::vector<tenon_binding> inputs(good.inputs, good.inputs + good.input_count);
    std::vector<tenon_buffer> buffers(good.buffers, good.buffers + good.buffer_count);
    std::vector<tenon_step> steps(good.steps, good.steps + good.step_count);
    change(module, slots, inputs, buffers, steps);
    module.slots = slots.data();
    module.inputs = inputs.data();
    module.buffers = buffers.data();
    module.steps = steps.data();
    tenon_error error = {};
    EXPECT_FALSE(load(module, 1, &error));
    EXPECT_EQ(error.code, TENON_ERROR_FORMAT);
    std::string text = error.message;
    EXPECT_TRUE(text.ends_with(message)) << text;
  }
}

}  // namespace
}  // namespace tenon::runtime::testing
