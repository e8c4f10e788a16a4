// Plans whose sizes depend on the model's data.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "demo.h"
#include "handles.h"
#include "plan_builder.h"

namespace tenon::runtime::testing {
namespace {

/// buffers: x[n], kept[n], count; params: n. Puts the positive elements of x side by side.
int32_t keep_positive(const tenon_args* args, int64_t, int64_t) {
  auto* x = static_cast<const float*>(args->buffers[0]);
  auto* kept = static_cast<float*>(args->buffers[1]);
  int64_t count = 0;
  for (int64_t i = 0; i < args->params[0]; ++i) {
    if (x[i] > 0) kept[count++] = x[i];
  }
  *static_cast<int64_t*>(args->buffers[2]) = count;
  return 0;
}

/// buffers: kept[count], out[2][count]; params: count; a task per element of a row.
int32_t both_signs(const tenon_args* args, int64_t begin, int64_t end) {
  auto* kept = static_cast<const float*>(args->buffers[0]);
  auto* out = static_cast<float*>(args->buffers[1]);
  for (int64_t i = begin; i < end; ++i) {
    out[i] = kept[i];
    out[args->params[0] + i] = -kept[i];
  }
  return 0;
}

/// out[2, count] holds the positive elements of x[n] and their negations.
struct KeepPlan {
  PlanBuilder builder;
  uint32_t n, count;

  explicit KeepPlan(tenon_kernel first = keep_positive) {
    n = builder.dim(0, 0);
    const uint32_t four = builder.constant(4), two = builder.constant(2);
    const uint32_t bytes = builder.slot(TENON_SLOT_MUL, n, four);
    const uint32_t x = builder.buffer({TENON_BUFFER_INPUT, 0, 0, 0, bytes, 0, 0});
    const uint32_t kept = builder.arena(0, 1, bytes);
    const uint32_t counter = builder.arena(0, 0, builder.constant(8));
    count = builder.read(counter, n, 1);
    const uint32_t results = builder.slot(TENON_SLOT_MUL, count, builder.constant(8));
    const uint32_t out = builder.buffer({TENON_BUFFER_OUTPUT, 0, 0, 0, results, 0, 0});
    builder.input("x", {n});
    builder.output("out", {two, count});
    builder.step("keep", first, {x, kept, counter}, {n});
    builder.step("both signs", both_signs, {kept, out}, {count}, count, true);
  }
};

std::vector<float> mixed(size_t size, size_t period) {
  std::vector<float> x(size);
  for (size_t i = 0; i < size; ++i) {
    x[i] = static_cast<float>(i + 1) * (period > 0 && i % period == 0 ? 1.0f : -1.0f);
  }
  return x;
}

bool keeps_positive(tenon_context* context, std::vector<float> x) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> out(2 * x.size() + 1, 0.5f), expected;
  for (float value : x) {
    if (value > 0) expected.push_back(value);
  }
  const auto count = static_cast<int64_t>(expected.size());
  for (int64_t i = 0; i < count; ++i) expected.push_back(-expected[static_cast<size_t>(i)]);
  expected.resize(out.size(), 0.5f);
  tenon_tensor input = tensor(x.data(), {n}), output = {};
  tenon_error error = {};
  EXPECT_EQ(tenon_infer(context, &input, &output, &error), TENON_OK) << error.message;
  EXPECT_EQ(output.dims[1], n);
  output.data = out.data();
  EXPECT_EQ(tenon_run(context, &input, &output, &error), TENON_OK) << error.message;
  EXPECT_EQ(output.dims[0], 2);
  EXPECT_EQ(output.dims[1], count);
  return out == expected;
}

TEST(LateSize, OutputsAreAsLongAsDataSays) {
  KeepPlan plan;
  tenon_module module = plan.builder.module();
  Model model = load(module, 2);
  ASSERT_TRUE(model);
  Context context = context_of(model);
  for (size_t size : {7, 5000, 1, 0, 7}) {
    for (size_t period : {3, 1, 0, 2}) {
      EXPECT_TRUE(keeps_positive(context.get(), mixed(size, period))) << size << ' ' << period;
    }
  }
  tenon_profile(context.get(), 1);
  EXPECT_TRUE(keeps_positive(context.get(), mixed(9, 2)));
}

TEST(LateSize, ContextsHaveSizesOfTheirOwn) {
  KeepPlan plan;
  tenon_module module = plan.builder.module();
  Model model = load(module, 2);
  auto caller = [&](size_t period) {
    Context context = context_of(model);
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(keeps_positive(context.get(), mixed(900, period)));
  };
  std::thread first(caller, 3), second(caller, 2);
  first.join();
  second.join();
}

TEST(LateSize, ASizeOutOfItsRangeEndsTheCall) {
  const tenon_kernel kernels[] = {[](const tenon_args* args, int64_t, int64_t) {
                                    *static_cast<int64_t*>(args->buffers[2]) = args->params[0] + 1;
                                    return int32_t{0};
                                  },
                                  [](const tenon_args* args, int64_t, int64_t) {
                                    *static_cast<int64_t*>(args->buffers[2]) = -1;
                                    return int32_t{0};
                                  }};
  const char* messages[] = {"keep: a size of 5 where 4 is the most there can be",
                            "keep: a size of -1 where 4 is the most there can be"};
  for (int i = 0; i < 2; ++i) {
    KeepPlan plan(kernels[i]);
    tenon_module module = plan.builder.module();
    Model model = load(module, 1);
    Context context = context_of(model);
    float x[4] = {}, out[8] = {};
    tenon_tensor input = tensor(x, {4}), output = {};
    output.data = out;
    tenon_error error = {};
    EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_ERROR_KERNEL);
    EXPECT_STREQ(error.message, messages[i]);
  }
}

/// Dims that tenon_infer gives for x[10] and an output with this dim.
int64_t most_of(uint32_t op, int64_t other, bool other_first) {
  KeepPlan plan;
  const uint32_t number = plan.builder.constant(other);
  const uint32_t dim = other_first ? plan.builder.slot(op, number, plan.count)
                                   : plan.builder.slot(op, plan.count, number);
  plan.builder.output("other", {dim});
  tenon_module module = plan.builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  tenon_tensor input = tensor(nullptr, {10}), outputs[2] = {};
  tenon_error error = {};
  const int32_t code = tenon_infer(context.get(), &input, outputs, &error);
  return code == TENON_OK ? outputs[1].dims[0] : -code;
}

TEST(LateSize, MemoryIsForTheMostThatSizesCanBe) {
  EXPECT_EQ(most_of(TENON_SLOT_ADD, 5, false), 15);
  EXPECT_EQ(most_of(TENON_SLOT_SUB, 3, false), 7);
  EXPECT_EQ(most_of(TENON_SLOT_SUB, 12, true), 12);
  EXPECT_EQ(most_of(TENON_SLOT_MUL, 3, false), 30);
  EXPECT_EQ(most_of(TENON_SLOT_MUL, -3, false), 0);
  EXPECT_EQ(most_of(TENON_SLOT_FLOOR_DIV, 3, false), 3);
  EXPECT_EQ(most_of(TENON_SLOT_MOD, 4, false), 3);
  EXPECT_EQ(most_of(TENON_SLOT_MOD, 40, false), 10);
  EXPECT_EQ(most_of(TENON_SLOT_MIN, 4, false), 4);
  EXPECT_EQ(most_of(TENON_SLOT_MAX, 4, false), 10);
  // A division by a size that may be 0.
  EXPECT_EQ(most_of(TENON_SLOT_FLOOR_DIV, 100, true), -TENON_ERROR_INPUT);
}

TEST(LateSize, AnOutputIsNoShorterThanNothing) {
  KeepPlan plan;
  plan.builder.output("rest",
                      {plan.builder.slot(TENON_SLOT_SUB, plan.count, plan.builder.constant(3))});
  tenon_module module = plan.builder.module();
  Model model = load(module, 1);
  Context context = context_of(model);
  float x[5] = {1, 1, -1, -1, -1}, out[10] = {}, rest[2] = {};
  tenon_tensor input = tensor(x, {5}), outputs[2] = {};
  outputs[0].data = out;
  outputs[1].data = rest;
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), &input, outputs, &error), TENON_ERROR_KERNEL);
  EXPECT_STREQ(error.message, "output 'rest' would have an impossible size");
  x[2] = 1;
  EXPECT_EQ(tenon_run(context.get(), &input, outputs, &error), TENON_OK);
  EXPECT_EQ(outputs[1].dims[0], 0);
}

/// A size that lies in an input: it is known before the first step.
TEST(LateSize, AnInputMaySayASize) {
  PlanBuilder builder;
  const uint32_t eight = builder.constant(8);
  const uint32_t n = builder.buffer({TENON_BUFFER_INPUT, 0, 0, 0, eight, 0, 0});
  const uint32_t size = builder.read(n, builder.constant(100), 0);
  builder.input("n", {}, TENON_I64);
  builder.output("out", {size});
  tenon_module module = builder.module();
  Model model = load(module, 1);
  ASSERT_TRUE(model);
  Context context = context_of(model);
  int64_t number = 17;
  tenon_tensor input = tensor(&number, {}, TENON_I64), output = {};
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_OK);
  EXPECT_EQ(output.dims[0], 17);
  number = 101;
  EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_ERROR_KERNEL);
  EXPECT_STREQ(error.message, "the inputs: a size of 101 where 100 is the most there can be");
  input.data = nullptr;
  EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_ERROR_INPUT);
}

TEST(LateSize, RefusesPlansThatUseASizeBeforeItIsKnown) {
  using Change =
      void (*)(tenon_slot& read, std::vector<tenon_buffer>& buffers, std::vector<tenon_step>& steps,
               std::vector<tenon_binding>& inputs, uint32_t count);
#define CHANGE(statement)                                                                  \
  [](tenon_slot& read, std::vector<tenon_buffer>& buffers, std::vector<tenon_step>& steps, \
     std::vector<tenon_binding>& inputs, uint32_t count) {                                 \
    (void)read, (void)buffers, (void)steps, (void)inputs, (void)count;                     \
    statement;                                                                             \
  }
  const std::pair<Change, const char*> changes[] = {
      {CHANGE(read.a = 4), "has a bad operand"},
      {CHANGE(read.b = count), "has a bad operand"},
      {CHANGE(read.value = -8), "has a bad operand"},
      {CHANGE(read.step = 3), "has a bad operand"},
      {CHANGE(read.step = 0), "has a bad buffer: it is read outside its lifetime"},
      {CHANGE(read.step = 2), "has a bad buffer: it is read outside its lifetime"},
      {CHANGE(read.step = 2; buffers[2].last = 1),
       "step 1 has a bad size: it is not known by then"},
      {CHANGE(steps[0].tasks = count), "step 0 has a bad size: it is not known by then"},
      {CHANGE(steps[0].param_count = 2), "step 0 has a bad parameter: it is not known by then"},
      {CHANGE(inputs[0].dims[0] = count), "input 0 has a bad dim"},
  };
#undef CHANGE
  for (const auto& [change, message] : changes) {
    KeepPlan plan;
    tenon_module module = plan.builder.module();
    std::vector<tenon_slot> slots(module.slots, module.slots + module.slot_count);
    std::vector<tenon_buffer> buffers(module.buffers, module.buffers + module.buffer_count);
    std::vector<tenon_step> steps(module.steps, module.steps + module.step_count);
    std::vector<tenon_binding> inputs(module.inputs, module.inputs + module.input_count);
    change(slots[plan.count], buffers, steps, inputs, plan.count);
    module.slots = slots.data();
    module.buffers = buffers.data();
    module.steps = steps.data();
    module.inputs = inputs.data();
    tenon_error error = {};
    EXPECT_FALSE(load(module, 1, &error));
    const std::string text = error.message;
    EXPECT_TRUE(text.ends_with(message)) << text;
  }
}

TEST(LateSize, RefusesAPlaceOutsideTheBuffer) {
  KeepPlan plan;
  tenon_module module = plan.builder.module();
  std::vector<tenon_slot> slots(module.slots, module.slots + module.slot_count);
  slots[plan.count].value = 8;
  module.slots = slots.data();
  Model model = load(module, 1);
  Context context = context_of(model);
  float x[4] = {}, out[8] = {};
  tenon_tensor input = tensor(x, {4}), output = {};
  output.data = out;
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_ERROR_FORMAT);
  EXPECT_STREQ(error.message, "the plan gives buffer 2 an impossible size: 8 bytes");
}

}  // namespace
}  // namespace tenon::runtime::testing
