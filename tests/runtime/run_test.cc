// Loading and running the demo module: shapes, threads, concurrent callers, profiles, errors.
#include <gtest/gtest.h>

#include <cfenv>
#include <string>
#include <thread>
#include <vector>

#include "demo.h"
#include "handles.h"

namespace tenon::runtime::testing {
namespace {

/// Runs the demo on `rows` rows; true when the result is as expected.
bool demo_works(tenon_context* context, int64_t rows, int seed = 0) {
  std::vector<float> x = demo_input(rows, seed), sums(static_cast<size_t>(rows) + 1, -1.0f);
  tenon_tensor input = tensor(x.data(), {rows, kColumns}), output = {};
  output.data = sums.data();
  tenon_error error = {};
  if (tenon_run(context, &input, &output, &error) != TENON_OK) {
    ADD_FAILURE() << error.message;
    return false;
  }
  bool described = output.dtype == TENON_F32 && output.rank == 1 && output.dims[0] == rows;
  std::vector<float> expected = demo_output(x);
  expected.push_back(-1.0f);
  return described && sums == expected;
}

class AtThreads : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Run, AtThreads, ::testing::Values(1, 2, 4));

TEST_P(AtThreads, ComputesAnyNumberOfRows) {
  Model model = load(*tenon_demo_module(), GetParam());
  EXPECT_EQ(tenon_model_threads(model.get()), GetParam());
  Context context = context_of(model);
  for (int64_t rows : {1, 2, 3, 1000, 0, 777, 1000, 5000, 1}) {
    EXPECT_TRUE(demo_works(context.get(), rows)) << rows;
  }
}

TEST_P(AtThreads, ServesTwoCallersAtOnce) {
  Model model = load(*tenon_demo_module(), GetParam());
  auto caller = [&](int seed) {
    Context context = context_of(model);
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(demo_works(context.get(), 400 + seed, seed));
  };
  std::thread first(caller, 1), second(caller, 2);
  first.join();
  second.join();
}

TEST(Run, RemembersMoreShapesThanItHasRoomFor) {
  Model model = load(*tenon_demo_module(), 1);
  Context context = context_of(model);
  for (int round = 0; round < 3; ++round) {
    for (int64_t rows = 1; rows < 30; ++rows) ASSERT_TRUE(demo_works(context.get(), rows * 17));
  }
}

TEST(Run, InferGivesOutputShapes) {
  Model model = load(*tenon_demo_module(), 1);
  Context context = context_of(model);
  tenon_tensor input = tensor(nullptr, {12, kColumns}), output = {};
  ASSERT_EQ(tenon_infer(context.get(), &input, &output, nullptr), TENON_OK);
  EXPECT_EQ(output.dtype, TENON_F32);
  EXPECT_EQ(output.rank, 1u);
  EXPECT_EQ(output.dims[0], 12);
  EXPECT_EQ(tenon_context_arena_bytes(context.get()), 0u);
  EXPECT_TRUE(demo_works(context.get(), 12));
  EXPECT_GE(tenon_context_arena_bytes(context.get()), 12u * kColumns * sizeof(float));
}

/// The message of a call that must fail.
std::string message_of(const tenon_tensor& input, float* output_data) {
  Model model = load(*tenon_demo_module(), 1);
  Context context = context_of(model);
  tenon_tensor output = {};
  output.data = output_data;
  tenon_error error = {};
  EXPECT_EQ(tenon_run(context.get(), &input, &output, &error), TENON_ERROR_INPUT);
  EXPECT_EQ(error.code, TENON_ERROR_INPUT);
  return error.message;
}

TEST(Run, SaysWhatIsWrongWithAnInput) {
  std::vector<float> x(1000), sums(1000);
  EXPECT_EQ(message_of(tensor(x.data(), {3, 63}), sums.data()),
            "input 'x' is f32[?, 64] but the call gives f32[3, 63]: dim 1 must be 64");
  EXPECT_EQ(message_of(tensor(x.data(), {3, 64}, TENON_F64), sums.data()),
            "input 'x' is f32[?, 64] but the call gives f64[3, 64]: its dtype must be f32");
  EXPECT_EQ(message_of(tensor(x.data(), {3}), sums.data()),
            "input 'x' is f32[?, 64] but the call gives f32[3]: it must have 2 dims, not 1");
  EXPECT_EQ(message_of(tensor(x.data(), {-1, 64}), sums.data()),
            "input 'x' is f32[?, 64] but the call gives f32[-1, 64]: dim 0 is negative");
  EXPECT_EQ(message_of(tensor(nullptr, {3, 64}), sums.data()),
            "input 'x' has no data: its pointer is NULL");
  EXPECT_EQ(message_of(tensor(x.data(), {3, 64}), nullptr),
            "output 'sums' has no data: its pointer is NULL");
  EXPECT_EQ(message_of(tensor(x.data(), {int64_t{1} << 60, 64}), sums.data()),
            "a size of the model is undefined or too large for inputs 'x' "
            "f32[1152921504606846976, 64]");
}

TEST(Run, GoesOnAfterAWrongCall) {
  Model model = load(*tenon_demo_module(), 1);
  Context context = context_of(model);
  EXPECT_TRUE(demo_works(context.get(), 7));
  tenon_tensor input = tensor(nullptr, {3, 63}), output = {};
  EXPECT_EQ(tenon_run(context.get(), &input, &output, nullptr), TENON_ERROR_INPUT);
  EXPECT_TRUE(demo_works(context.get(), 7));
}

TEST(Run, ProfileAddsUpTimesOfSteps) {
  Model model = load(*tenon_demo_module(), 2);
  Context context = context_of(model);
  tenon_profile(context.get(), 1);
  EXPECT_TRUE(demo_works(context.get(), 500));
  const tenon_step_time* times = tenon_profile_times(context.get());
  uint64_t once[2] = {times[0].nanoseconds, times[1].nanoseconds};
  EXPECT_GT(once[0], 0u);
  EXPECT_GT(once[1], 0u);
  EXPECT_EQ(times[0].flops, 500 * kColumns);
  EXPECT_EQ(times[1].bytes, 500 * kColumns * 4);
  EXPECT_EQ(times[1].rounds, 1);
  EXPECT_TRUE(demo_works(context.get(), 500));
  EXPECT_GT(times[0].nanoseconds, once[0]);
  tenon_profile(context.get(), 0);
  uint64_t twice = times[0].nanoseconds;
  EXPECT_TRUE(demo_works(context.get(), 500));
  EXPECT_EQ(times[0].nanoseconds, twice);
  tenon_profile(context.get(), 1);
  EXPECT_EQ(times[0].nanoseconds, 0u);
}

TEST(Run, LeavesFloatingPointModesAndFlagsAlone) {
  Model model = load(*tenon_demo_module(), 1);
  Context context = context_of(model);
  std::fesetround(FE_UPWARD);
  std::feclearexcept(FE_ALL_EXCEPT);
  std::vector<float> x(kColumns, 1e-3f), sums(1);
  tenon_tensor input = tensor(x.data(), {1, kColumns}), output = {};
  output.data = sums.data();
  EXPECT_EQ(tenon_run(context.get(), &input, &output, nullptr), TENON_OK);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  EXPECT_EQ(std::fetestexcept(FE_ALL_EXCEPT), 0);
  std::fesetround(FE_TONEAREST);
  float upward = sums[0];
  EXPECT_EQ(tenon_run(context.get(), &input, &output, nullptr), TENON_OK);
  EXPECT_EQ(sums[0], upward);
}

/// The caller's pool: gives all tasks to thread 1, one by one, and counts calls.
int32_t one_by_one(void* calls, tenon_work work, void* state, int64_t tasks) {
  ++*static_cast<int*>(calls);
  for (int64_t t = 0; t < tasks; ++t) {
    if (int32_t status = work(state, t, t + 1, 1)) return status;
  }
  return 0;
}

TEST(Run, UsesTheCallersPool) {
  int calls = 0;
  tenon_pool pool = {one_by_one, &calls, 2};
  tenon_options options = {0, &pool};
  Model model(tenon_load_module(tenon_demo_module(), &options, nullptr));
  EXPECT_EQ(tenon_model_threads(model.get()), 2u);
  Context context = context_of(model);
  EXPECT_TRUE(demo_works(context.get(), 1000));
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(demo_works(context.get(), 2));
  EXPECT_EQ(calls, 2) << "steps with little work stay on the calling thread";
}

}  // namespace
}  // namespace tenon::runtime::testing
