#include "runtime/demo_module.h"

#define COLUMNS 64

/* Kernels lie in a section of their own, so that a test can put its bytes into a file. */
#define KERNEL __attribute__((section("tenon_demo_code"), noinline))

extern const char __start_tenon_demo_code[];
extern const char __stop_tenon_demo_code[];

KERNEL static int32_t scaled_relu(const tenon_args* args, int64_t begin, int64_t end) {
  const float* x = args->buffers[0];
  const float* w = args->buffers[1];
  float* y = args->buffers[2];
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < COLUMNS; ++c) {
      float product = x[r * COLUMNS + c] * w[c];
      y[r * COLUMNS + c] = product > 0 ? product : 0;
    }
  }
  return TENON_KERNEL_OK;
}

/* Sums pairs through the scratch, for the sake of using some. */
KERNEL static int32_t sum_rows(const tenon_args* args, int64_t begin, int64_t end) {
  const float* y = args->buffers[0];
  float* sums = args->buffers[1];
  float* pairs = args->scratch;
  int64_t half = args->params[0];
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < half; ++c) {
      pairs[c] = y[r * COLUMNS + c] + y[r * COLUMNS + c + half];
    }
    float sum = 0;
    for (int64_t c = 0; c < half; ++c) sum += pairs[c];
    sums[r] = sum;
  }
  return TENON_KERNEL_OK;
}

static const float weights[COLUMNS] = {
    -32, -31, -30, -29, -28, -27, -26, -25, -24, -23, -22, -21, -20, -19, -18, -17,
    -16, -15, -14, -13, -12, -11, -10, -9,  -8,  -7,  -6,  -5,  -4,  -3,  -2,  -1,
    0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,
    16,  17,  18,  19,  20,  21,  22,  23,  24,  25,  26,  27,  28,  29,  30,  31};

enum {
  ROWS,
  WIDTH,
  FOUR,
  SUMS_BYTES,
  Y_BYTES,
  WEIGHT_BYTES,
  HALF,
  ONE,
  NO_BYTES,
  SCRATCH,
  FLOPS,
  SLOTS
};

static const tenon_slot slots[SLOTS] = {
    [ROWS] = {.op = TENON_SLOT_DIM, .a = 0, .b = 0},
    [WIDTH] = {.op = TENON_SLOT_CONSTANT, .value = COLUMNS},
    [FOUR] = {.op = TENON_SLOT_CONSTANT, .value = sizeof(float)},
    [SUMS_BYTES] = {.op = TENON_SLOT_MUL, .a = ROWS, .b = FOUR},
    [Y_BYTES] = {.op = TENON_SLOT_MUL, .a = SUMS_BYTES, .b = WIDTH},
    [WEIGHT_BYTES] = {.op = TENON_SLOT_CONSTANT, .value = sizeof weights},
    [HALF] = {.op = TENON_SLOT_CONSTANT, .value = COLUMNS / 2},
    [ONE] = {.op = TENON_SLOT_CONSTANT, .value = 1},
    [NO_BYTES] = {.op = TENON_SLOT_CONSTANT, .value = 0},
    [SCRATCH] = {.op = TENON_SLOT_CONSTANT, .value = COLUMNS / 2 * sizeof(float)},
    [FLOPS] = {.op = TENON_SLOT_MUL, .a = ROWS, .b = WIDTH},
};

enum { NAME_X = 0, NAME_SUMS = 2, NAME_SCALED_RELU = 7, NAME_SUM_ROWS = 19 };
static const char strings[] = "x\0sums\0scaled_relu\0sum_rows";

static const tenon_binding inputs[] = {
    {.name = NAME_X, .dtype = TENON_F32, .rank = 2, .dims = {ROWS, WIDTH}}};
static const tenon_binding outputs[] = {
    {.name = NAME_SUMS, .dtype = TENON_F32, .rank = 1, .dims = {ROWS}}};

enum { BUFFER_X, BUFFER_W, BUFFER_Y, BUFFER_SUMS, BUFFERS };
static const tenon_buffer buffers[BUFFERS] = {
    [BUFFER_X] = {.kind = TENON_BUFFER_INPUT, .index = 0, .bytes = Y_BYTES},
    [BUFFER_W] = {.kind = TENON_BUFFER_WEIGHT, .bytes = WEIGHT_BYTES},
    [BUFFER_Y] = {.kind = TENON_BUFFER_ARENA, .first = 0, .last = 1, .bytes = Y_BYTES},
    [BUFFER_SUMS] = {.kind = TENON_BUFFER_OUTPUT, .index = 0, .bytes = SUMS_BYTES},
};

static const uint32_t step_buffers[] = {BUFFER_X, BUFFER_W, BUFFER_Y, BUFFER_Y, BUFFER_SUMS};
static const uint32_t step_params[] = {HALF};
static const tenon_kernel kernels[] = {scaled_relu, sum_rows};

static const tenon_step steps[] = {
    {.kernel = 0,
     .name = NAME_SCALED_RELU,
     .first_buffer = 0,
     .buffer_count = 3,
     .tasks = ROWS,
     .rounds = ONE,
     .scratch = NO_BYTES,
     .flops = FLOPS,
     .bytes = Y_BYTES},
    {.kernel = 1,
     .name = NAME_SUM_ROWS,
     .first_buffer = 3,
     .buffer_count = 2,
     .first_param = 0,
     .param_count = 1,
     .tasks = ROWS,
     .rounds = ONE,
     .scratch = SCRATCH,
     .flops = FLOPS,
     .bytes = Y_BYTES},
};

static const tenon_module module = {
    .abi_version = TENON_ABI_VERSION,
    .slot_count = SLOTS,
    .input_count = 1,
    .output_count = 1,
    .buffer_count = BUFFERS,
    .step_count = 2,
    .step_buffer_count = sizeof step_buffers / sizeof step_buffers[0],
    .step_param_count = sizeof step_params / sizeof step_params[0],
    .kernel_count = sizeof kernels / sizeof kernels[0],
    .string_bytes = sizeof strings,
    .slots = slots,
    .inputs = inputs,
    .outputs = outputs,
    .buffers = buffers,
    .steps = steps,
    .step_buffers = step_buffers,
    .step_params = step_params,
    .kernels = kernels,
    .strings = strings,
    .weights = weights,
    .weight_bytes = sizeof weights,
};

const tenon_module* tenon_demo_module(void) { return &module; }

tenon_demo_code tenon_demo_module_code(void) {
  size_t bytes = (size_t)(__stop_tenon_demo_code - __start_tenon_demo_code);
  return (tenon_demo_code){__start_tenon_demo_code, bytes};
}
