/* The contract between compiled code, the runtime and a program that uses both. Stand-alone C11.
 *
 * A program loads a model, makes a context per concurrent caller, and runs it:
 *
 *     tenon_error error;
 *     tenon_model* model = tenon_load("model.tenon", NULL, &error);
 *     tenon_context* context = tenon_context_create(model, &error);
 *     tenon_run(context, inputs, outputs, &error);
 *
 * A module is the plan of a model as data: kernels, buffers, steps, and numbers as expressions over
 * integer slots. It comes from a file or, as in demo_module.c, is written by hand. All indices in
 * it are checked when it is loaded.
 */
#ifndef TENON_RUNTIME_ABI_H_
#define TENON_RUNTIME_ABI_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENON_API __attribute__((visibility("default")))
#define TENON_ABI_VERSION 2u
#define TENON_MAX_RANK 8u

/* ---- Kernels ---- */

/* What a kernel gets. `buffers` and `params` are in the order of the step that calls it. Arena
 * buffers and weights start at 64-byte boundaries (weights if their offsets do); the caller's
 * tensors at multiples of their element size. */
typedef struct tenon_args {
  void* const* buffers;
  const int64_t* params;
  void* scratch;            /* of this thread, 64-byte aligned, of the step's scratch size */
  const void* next_weights; /* weights that the next step reads first, to prefetch; may be NULL */
} tenon_args;

/* Runs tasks begin <= t < end, begin < end, on any thread, under the default floating-point
 * environment. Returns 0, or a positive code: the run ends with an error that names the step. */
typedef int32_t (*tenon_kernel)(const tenon_args* args, int64_t begin, int64_t end);

/* A parameter that holds the bits of a double: an attribute of a custom operator. */
static inline double tenon_number(const tenon_args* args, uint32_t param) {
  double number;
  memcpy(&number, &args->params[param], sizeof number);
  return number;
}

/* Codes that kernels return. */
enum {
  TENON_KERNEL_OK = 0,
  TENON_KERNEL_INDEX = 1, /* an index out of range in the model's data */
  TENON_KERNEL_EXTENT = 2 /* an access outside a buffer, in code compiled with --checked */
};

/* ---- Modules ---- */

/* Element types, numbered as in ir/dtype.def. */
enum {
  TENON_BOOL,
  TENON_I8,
  TENON_I16,
  TENON_I32,
  TENON_I64,
  TENON_U8,
  TENON_U16,
  TENON_U32,
  TENON_U64,
  TENON_F16,
  TENON_BF16,
  TENON_F32,
  TENON_F64
};

/* A slot is an int64. Slot i is computed by slot op i, from earlier slots only. A result that does
 * not fit, or a divisor below 1, is an error of the call whose shapes led to it.
 *
 * A slot that is read, and all that depend on it, are late: their values are known when `step`
 * steps have run, and no earlier step has them. Until then memory is planned for the least and the
 * most that they can be, by interval arithmetic. A read value out of its range is an error of the
 * call. */
enum {
  TENON_SLOT_CONSTANT, /* value */
  TENON_SLOT_DIM,      /* dim `b` of input `a` */
  TENON_SLOT_ADD,
  TENON_SLOT_SUB,
  TENON_SLOT_MUL, /* slots a, b */
  TENON_SLOT_FLOOR_DIV,
  TENON_SLOT_MOD, /* rounding towards minus infinity */
  TENON_SLOT_MIN,
  TENON_SLOT_MAX,
  TENON_SLOT_READ /* the int64 at byte `value` of buffer `a` once `step` steps have run, from 0 to
                     the value of slot `b` */
};
typedef struct tenon_slot {
  uint32_t op, a, b, step;
  int64_t value;
} tenon_slot;

/* An input or output. A dim of an input must equal its slot's value: for a constant that fixes the
 * size, for the slot that reads this very dim it is free, for another it must agree with that one.
 * It is not late; a dim of an output may be. */
typedef struct tenon_binding {
  uint32_t name; /* offset into strings */
  uint32_t dtype;
  uint32_t rank;
  uint32_t dims[TENON_MAX_RANK]; /* slots */
} tenon_binding;

/* Memory that steps use. Arena buffers whose lives share a step never overlap; what a buffer holds
 * when its life begins is undefined. */
enum {
  TENON_BUFFER_ARENA,  /* lives from step `first` to step `last`, both included */
  TENON_BUFFER_INPUT,  /* binding `index` */
  TENON_BUFFER_OUTPUT, /* binding `index` */
  TENON_BUFFER_WEIGHT  /* at byte `offset` of the weights */
};
typedef struct tenon_buffer {
  uint32_t kind, index;
  uint32_t first, last;
  uint32_t bytes; /* slot: size */
  uint32_t reserved;
  uint64_t offset;
} tenon_buffer;

/* One kernel call over all tasks. Steps run in order; a step starts when the one before it has
 * ended. The tasks come in rounds of equally many: tasks of one round may run in any order and at
 * the same time, a round starts when the one before it has ended. */
typedef struct tenon_step {
  uint32_t kernel;
  uint32_t name; /* offset into strings: the nodes it computes, for errors and profiles */
  uint32_t first_buffer, buffer_count; /* into step_buffers */
  uint32_t first_param, param_count;   /* into step_params: slots */
  uint32_t tasks;                      /* slot: number of tasks; with 0 the step is skipped */
  uint32_t rounds;                     /* slot: at least 1; divides the number of tasks */
  uint32_t scratch;                    /* slot: bytes per thread */
  uint32_t flops, bytes; /* slots: work of the step, for profiles and for choosing threads */
} tenon_step;

/* Everything that it points to belongs to its maker. */
typedef struct tenon_module {
  uint32_t abi_version;
  uint32_t slot_count, input_count, output_count, buffer_count, step_count;
  uint32_t step_buffer_count, step_param_count, kernel_count;
  uint32_t string_bytes;
  const tenon_slot* slots;
  const tenon_binding* inputs;
  const tenon_binding* outputs;
  const tenon_buffer* buffers;
  const tenon_step* steps;
  const uint32_t* step_buffers; /* buffer indices */
  const uint32_t* step_params;  /* slot indices */
  const tenon_kernel* kernels;
  const char* strings; /* zero-terminated, one after another */
  const void* weights;
  uint64_t weight_bytes;
} tenon_module;

/* ---- Files ---- */

/* A .tenon file: this header, then sections at the offsets it gives, each aligned to 64 bytes, code
 * and weights to 4096; a section of 0 bytes may have any aligned offset inside the file. All
 * numbers are little-endian; arrays are the structs above, `kernels` as uint64 offsets into the
 * code, or TENON_KERNEL_FOREIGN plus an offset into strings, where "symbol@library" names a
 * tenon_kernel of the user's that is looked up when the file is loaded, as dlopen does.
 *
 * A file for several targets has a header for each, the most capable first, with a plan and code of
 * its own and the same inputs and outputs. All have one weights section; it holds what is equal for
 * two targets once. */
#define TENON_MAGIC "TENONMDL"
#define TENON_KERNEL_FOREIGN (UINT64_C(1) << 63)
typedef struct tenon_file_header {
  char magic[8];
  uint32_t abi_version;
  uint32_t header_bytes;
  char target[32];      /* of the code: "x86-64-v3"; checked against the CPU */
  char compiler[32];    /* version of the compiler that wrote the file */
  uint64_t next_offset; /* of the header for the next target, behind this one; 0: none */
  uint64_t plan_offset, plan_bytes;
  uint64_t code_offset, code_bytes;
  uint64_t weights_offset, weights_bytes;
  uint64_t info_offset, info_bytes; /* JSON for `tenon inspect`; the runtime does not read it */
  uint64_t plan_hash, code_hash, weights_hash; /* XXH64 */
  uint64_t header_hash;                        /* XXH64 of the header with this field zero */
} tenon_file_header;

/* The plan section: counts, then the arrays in this order, each aligned to 8 bytes from the start
 * of the section: slots, inputs, outputs, buffers, steps, step_buffers, step_params, kernels,
 * strings. `reserved` is 0. */
typedef struct tenon_plan_header {
  uint32_t slot_count, input_count, output_count, buffer_count, step_count;
  uint32_t step_buffer_count, step_param_count, kernel_count, string_bytes, reserved;
} tenon_plan_header;

/* ---- Using a model ---- */

typedef struct tenon_model tenon_model;
typedef struct tenon_context tenon_context;

enum {
  TENON_OK = 0,
  TENON_ERROR_IO,     /* the file cannot be read or mapped */
  TENON_ERROR_FORMAT, /* not a .tenon file, damaged, or of another version */
  TENON_ERROR_CPU,    /* compiled for a CPU that can do more than this one */
  TENON_ERROR_INPUT,  /* wrong dtype, rank or size at the call */
  TENON_ERROR_KERNEL, /* a kernel reported an error */
  TENON_ERROR_MEMORY  /* out of memory */
};
typedef struct tenon_error {
  int32_t code;
  char message[500]; /* a sentence with names, zero-terminated */
} tenon_error;

/* A tensor of the caller: dense, row-major. `data` may be NULL when a dim is 0. */
typedef struct tenon_tensor {
  void* data;
  uint32_t dtype;
  uint32_t rank;
  int64_t dims[TENON_MAX_RANK];
} tenon_tensor;

/* Runs work(state, begin, end) over 0 <= t < tasks on any number of threads, in parts of its
 * choice, and returns when all are done. `work` returns non-zero to report failure. The pool
 * returns the first such value it saw, or 0. */
typedef int32_t (*tenon_work)(void* state, int64_t begin, int64_t end, uint32_t thread);
typedef struct tenon_pool {
  int32_t (*run)(void* pool, tenon_work work, void* state, int64_t tasks);
  void* pool;
  uint32_t threads; /* thread numbers given to `work` are below this */
} tenon_pool;

typedef struct tenon_options {
  uint32_t threads;       /* of the runtime's pool; 0: as many as the process may use. Models with
                             the same number share one pool */
  const tenon_pool* pool; /* instead of the runtime's pool; copied, what it points to must outlive
                             the model */
  const char* target;     /* whose code to take of a file for several targets; NULL: the first that
                             the CPU can run */
} tenon_options;

/* Loads a file; its weights are mapped, not read. NULL and a filled error when it fails; options
 * may be NULL. */
TENON_API tenon_model* tenon_load(const char* path, const tenon_options* options,
                                  tenon_error* error);
/* Loads the bytes of a file, which must be 4096-byte aligned and stay as they are as long as the
 * model. Only the code is copied, to pages that may be executed. */
TENON_API tenon_model* tenon_load_memory(const void* bytes, size_t count,
                                         const tenon_options* options, tenon_error* error);
/* Wraps a module that is in memory already, which must outlive the model. */
TENON_API tenon_model* tenon_load_module(const tenon_module* module, const tenon_options* options,
                                         tenon_error* error);
/* After the model's contexts; NULL is allowed, as in tenon_context_free. */
TENON_API void tenon_free(tenon_model* model);
/* Checks a file as tenon_load does, and the hash of its weights too, which loading leaves out
 * because it reads every byte. The CPU need not be able to run it. */
TENON_API int32_t tenon_verify_file(const char* path, tenon_error* error);
/* The plan, for tools. */
TENON_API const tenon_module* tenon_model_module(const tenon_model* model);
TENON_API uint32_t tenon_model_threads(const tenon_model* model);
/* What the model's code was compiled for; empty for a module in memory. */
TENON_API const char* tenon_model_target(const tenon_model* model);
/* What a call needs beyond weights and the caller's tensors. */
typedef struct tenon_memory {
  uint64_t arena;   /* for all intermediate values */
  uint64_t live;    /* the most that these take at one step: no arena can be below */
  uint64_t scratch; /* of each thread */
} tenon_memory;
/* For inputs of these shapes, whose data is not touched. The module's kernels are not needed. */
TENON_API int32_t tenon_measure_memory(const tenon_module* module, const tenon_tensor* inputs,
                                       tenon_memory* memory, tenon_error* error);

/* The memory of one caller at a time. A model may have many contexts, used at the same time: one
 * call at a time gets the pool's threads, others run on the thread that calls. A context remembers
 * the last few sets of input shapes; a call with one of them allocates nothing. */
TENON_API tenon_context* tenon_context_create(tenon_model* model, tenon_error* error);
TENON_API void tenon_context_free(tenon_context* context);

/* Checks the inputs and fills dtype, rank and dims of the outputs; their `data` is not touched. A
 * dim that the model's data decides is the largest that it can be. */
TENON_API int32_t tenon_infer(tenon_context* context, const tenon_tensor* inputs,
                              tenon_tensor* outputs, tenon_error* error);
/* Runs the model. The outputs' data pointers must have room for what tenon_infer says, and overlap
 * neither each other nor the inputs; tensors come in the order of the bindings. Dtype, rank and
 * dims of outputs are filled, with what the data made them: an output is dense in these dims, at
 * the start of its room. Returns a TENON_ERROR code. */
TENON_API int32_t tenon_run(tenon_context* context, const tenon_tensor* inputs,
                            tenon_tensor* outputs, tenon_error* error);

/* Per-step times of a run. */
typedef struct tenon_step_time {
  uint64_t nanoseconds; /* sum over runs */
  /* Of one run, under the shapes seen last. Each round reads the step's weights again. */
  int64_t flops, bytes, rounds;
} tenon_step_time;
/* From now on (on != 0) runs add to step times; turning it on resets them. */
TENON_API void tenon_profile(tenon_context* context, int32_t on);
/* step_count entries; valid until the context runs again or goes. */
TENON_API const tenon_step_time* tenon_profile_times(const tenon_context* context);
/* Bytes of arena that the context holds. */
TENON_API uint64_t tenon_context_arena_bytes(const tenon_context* context);

#ifdef __cplusplus
}
#endif

#endif /* TENON_RUNTIME_ABI_H_ */
