/* What a call costs beyond its kernels: plans of 1, 16 and 256 steps whose kernels do nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/abi.h"

#define MOST_STEPS 256

static int32_t nothing(const tenon_args* args, int64_t begin, int64_t end) {
  (void)args, (void)begin, (void)end;
  return TENON_KERNEL_OK;
}

static double now(void) {
  struct timespec time;
  timespec_get(&time, TIME_UTC);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Each step reads the input and writes the output, both one f32. */
static double nanoseconds_per_call(uint32_t steps) {
  static const tenon_kernel kernels[] = {nothing};
  static const tenon_slot slots[] = {{TENON_SLOT_CONSTANT, .value = 1},
                                     {TENON_SLOT_CONSTANT, .value = 4},
                                     {TENON_SLOT_CONSTANT, .value = 0}};
  static const tenon_binding x = {.name = 0, .dtype = TENON_F32, .rank = 1, .dims = {0}};
  static const tenon_binding y = {.name = 2, .dtype = TENON_F32, .rank = 1, .dims = {0}};
  const tenon_buffer buffers[] = {{TENON_BUFFER_INPUT, .bytes = 1, .last = steps - 1},
                                  {TENON_BUFFER_OUTPUT, .bytes = 1, .last = steps - 1}};
  static tenon_step list[MOST_STEPS];
  static const uint32_t step_buffers[] = {0, 1};
  for (uint32_t i = 0; i < steps; ++i) {
    list[i] = (tenon_step){
        .buffer_count = 2, .tasks = 0, .rounds = 0, .scratch = 2, .flops = 2, .bytes = 2};
  }
  const tenon_module module = {.abi_version = TENON_ABI_VERSION,
                               .slot_count = 3,
                               .input_count = 1,
                               .output_count = 1,
                               .buffer_count = 2,
                               .step_count = steps,
                               .step_buffer_count = 2,
                               .kernel_count = 1,
                               .string_bytes = 4,
                               .slots = slots,
                               .inputs = &x,
                               .outputs = &y,
                               .buffers = buffers,
                               .steps = list,
                               .step_buffers = step_buffers,
                               .kernels = kernels,
                               .strings = "x\0y"};
  tenon_error error = {0};
  const tenon_options options = {.threads = 1};
  tenon_model* model = tenon_load_module(&module, &options, &error);
  tenon_context* context = model ? tenon_context_create(model, &error) : NULL;
  float values[2] = {0};
  tenon_tensor in = {&values[0], TENON_F32, 1, {1}}, out = {.data = &values[1]};
  if (!context || tenon_run(context, &in, &out, &error) != TENON_OK) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  const int calls = 1000000 / (int)steps;
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const double start = now();
    for (int i = 0; i < calls; ++i) tenon_run(context, &in, &out, &error);
    const double time = (now() - start) / calls;
    if (time < best) best = time;
  }
  tenon_context_free(context);
  tenon_free(model);
  return 1e9 * best;
}

int main(void) {
  for (uint32_t steps = 1; steps <= MOST_STEPS; steps *= 16)
    printf("%3u steps: %.0f ns per call\n", steps, nanoseconds_per_call(steps));
  return 0;
}
