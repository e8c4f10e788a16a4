#include "driver/kernel_dump.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "codegen/codegen.h"
#include "driver/plan.h"

namespace tenon::driver {
namespace {

constexpr std::string_view kProgram = R"(/* Times one kernel: {name}
 *
 *     cc -O2 bench.c kernel.s -o bench && ./bench
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {{
  void* const* buffers;
  const int64_t* params;
  void* scratch;
  const void* next_weights;
}} tenon_args;
int32_t {symbol}(const tenon_args* args, int64_t begin, int64_t end);

enum {{ BUFFERS = {buffer_count}, CALLS = 1000 }};
static const size_t bytes[] = {{{bytes}}};
static const char floats[] = {{{floats}}}; /* whether a buffer holds f32 */
static const int64_t params[] = {{{params}}};
static const int64_t tasks = {tasks};
static const double flops = {flops}, moved = {moved};

static double now(void) {{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}}

static int by_value(const void* a, const void* b) {{
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}}

int main(void) {{
  void* buffers[BUFFERS];
  for (int i = 0; i < BUFFERS; ++i) {{
    buffers[i] = aligned_alloc(64, (bytes[i] + 127) / 64 * 64);
    for (size_t k = 0; k < bytes[i]; ++k) ((char*)buffers[i])[k] = 0;
    if (!floats[i]) continue;
    for (size_t k = 0; k < bytes[i] / 4; ++k) ((float*)buffers[i])[k] = (float)(k % 17) / 16 - 0.5f;
  }}
  void* scratch = aligned_alloc(64, {scratch} + 64);
  const tenon_args args = {{buffers, params, scratch, 0}};
  static double seconds[CALLS];
  int calls = 0;
  for (double start = now(); calls < CALLS && (calls < 10 || now() - start < 2); ++calls) {{
    const double before = now();
    const int32_t code = {symbol}(&args, 0, tasks);
    seconds[calls] = now() - before;
    if (code != 0) return fprintf(stderr, "the kernel ends with code %d\n", (int)code), 1;
  }}
  qsort(seconds, (size_t)calls, sizeof(double), by_value);
  const double median = seconds[calls / 2];
  printf("%d calls: median %.3f us, best %.3f us, %.2f GFLOP/s, %.2f GB/s\n", calls, 1e6 * median,
         1e6 * seconds[0], 1e-9 * flops / median, 1e-9 * moved / median);
  return 0;
}}
)";

constexpr std::string_view kSymbol = "tenon_kernel";

/// The call of one step in numbers.
class Call {
 public:
  Call(const Plan& plan, const tenon_step& step) : plan_(plan), step_(step) {}

  Result<std::string> program(const ir::Function& function) const {
    std::vector<int64_t> bytes, params;
    std::vector<int> floats;
    for (uint32_t i = 0; i < step_.buffer_count; ++i) {
      const tenon_buffer& buffer = plan_.buffers[plan_.step_buffers[step_.first_buffer + i]];
      TENON_TRY(bytes.emplace_back(), number(buffer.bytes));
      floats.push_back(function.buffers[i].dtype == ir::DType::kFloat32);
    }
    for (uint32_t i = 0; i < step_.param_count; ++i) {
      TENON_TRY(params.emplace_back(), number(plan_.step_params[step_.first_param + i]));
    }
    if (params.empty()) params.push_back(0);  // C has no empty arrays
    TENON_TRY(const int64_t tasks, number(step_.tasks));
    TENON_TRY(const int64_t scratch, number(step_.scratch));
    TENON_TRY(const int64_t flops, number(step_.flops));
    TENON_TRY(const int64_t moved, number(step_.bytes));
    return fmt::format(
        fmt::runtime(kProgram), fmt::arg("name", plan_.strings.c_str() + step_.name),
        fmt::arg("symbol", kSymbol), fmt::arg("buffer_count", bytes.size()),
        fmt::arg("bytes", fmt::join(bytes, ", ")), fmt::arg("floats", fmt::join(floats, ", ")),
        fmt::arg("params", fmt::join(params, ", ")), fmt::arg("tasks", tasks),
        fmt::arg("scratch", scratch), fmt::arg("flops", flops), fmt::arg("moved", moved));
  }

 private:
  Result<int64_t> number(uint32_t slot) const {
    if (plan_.slots[slot].op == TENON_SLOT_CONSTANT) return plan_.slots[slot].value;
    return fail(ErrorKind::kUsage, "the kernel's sizes are not fixed", {},
                "fix the model's sizes with --shape");
  }

  const Plan& plan_;
  const tenon_step& step_;
};

}  // namespace

Result<KernelDump> dump_kernel(const State& state, uint32_t kernel) {
  if (kernel >= state.functions.size()) {
    return fail(ErrorKind::kUsage, fmt::format("there is no kernel {}", kernel), {},
                fmt::format("the kernels are 0 to {}", state.functions.size() - 1));
  }
  TENON_TRY(const Plan plan,
            make_plan(state.module, state.kernels, state.functions, state.function_of));
  const auto step = std::ranges::find(plan.steps, kernel, &tenon_step::kernel);
  TENON_CHECK(step != plan.steps.end(), "every function is called");
  ir::Function function = state.functions[kernel];
  function.name = kSymbol;
  TENON_TRY(std::string program, Call(plan, *step).program(function));
  const codegen::CodegenOptions options{.checked = state.options.checked};
  return KernelDump{{"loops.tn", ir::to_string(state.functions[kernel])},
                    {"kernel.ll", codegen::llvm_text(function, state.target, options)},
                    {"kernel.s", codegen::assembly(function, state.target, options)},
                    {"bench.c", std::move(program)}};
}

}  // namespace tenon::driver
