// Memory: none is taken by a call whose shapes are known, and none that is missing goes unnoticed.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "demo.h"
#include "handles.h"

namespace {

/// Allocations are counted from 0; number `fail_at` fails.
std::atomic<int> allocations = 0;
std::atomic<int> fail_at = -1;

bool next_fails() {
  bool fails = allocations++ == fail_at;
  if (fails) errno = ENOMEM;
  return fails;
}

}  // namespace

// The linker sends the runtime's calls here (src/runtime/CMakeLists.txt).
extern "C" {
void* __real_malloc(size_t bytes);
void* __real_calloc(size_t count, size_t bytes);
void* __real_aligned_alloc(size_t alignment, size_t bytes);
void* __real_mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset);

void* __wrap_malloc(size_t bytes) { return next_fails() ? nullptr : __real_malloc(bytes); }
void* __wrap_calloc(size_t count, size_t bytes) {
  return next_fails() ? nullptr : __real_calloc(count, bytes);
}
void* __wrap_aligned_alloc(size_t alignment, size_t bytes) {
  return next_fails() ? nullptr : __real_aligned_alloc(alignment, bytes);
}
void* __wrap_mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) {
  if (next_fails()) return MAP_FAILED;
  return __real_mmap(address, bytes, protection, flags, file, offset);
}
}

namespace tenon::runtime::testing {
namespace {

int32_t run_demo(tenon_context* context, std::vector<float>& x, std::vector<float>& sums,
                 tenon_error* error) {
  auto rows = static_cast<int64_t>(sums.size());
  tenon_tensor input = tensor(x.data(), {rows, kColumns}), output = {};
  output.data = sums.data();
  return tenon_run(context, &input, &output, error);
}

TEST(Allocation, ACallWithKnownShapesTakesNone) {
  Model model = load(*tenon_demo_module(), 2);
  Context context = context_of(model);
  std::vector<float> x = demo_input(1000), sums(1000), few_x = demo_input(3), few_sums(3);
  run_demo(context.get(), few_x, few_sums, nullptr);
  run_demo(context.get(), x, sums, nullptr);
  int before = allocations;
  EXPECT_GT(before, 0);
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(run_demo(context.get(), x, sums, nullptr), TENON_OK);
    EXPECT_EQ(run_demo(context.get(), few_x, few_sums, nullptr), TENON_OK);
  }
  EXPECT_EQ(allocations, before);
}

TEST(Allocation, EveryOneThatFailsIsReported) {
  FileBytes file = demo_file();
  std::vector<float> x = demo_input(1000), sums(1000);
  tenon_options options = {2, nullptr};
  int failures = 0;
  for (bool done = false; !done; ++failures) {
    allocations = 0;
    fail_at = failures;
    tenon_error error = {};
    Model model(tenon_load_memory(file.data(), file.size(), &options, &error));
    Context context(model ? tenon_context_create(model.get(), &error) : nullptr);
    done = context && run_demo(context.get(), x, sums, &error) == TENON_OK;
    bool out = allocations > failures;
    fail_at = -1;
    if (!done) {
      EXPECT_TRUE(error.code == TENON_ERROR_MEMORY || error.code == TENON_ERROR_IO);
      EXPECT_STRNE(error.message, "");
    }
    if (context && !done) {
      EXPECT_EQ(run_demo(context.get(), x, sums, &error), TENON_OK) << "it recovers";
    }
    EXPECT_TRUE(done || out);
  }
  EXPECT_EQ(sums, demo_output(x));
  EXPECT_GT(failures, 15);
}

}  // namespace
}  // namespace tenon::runtime::testing
