// Contexts: the memory of one caller, and the run of a plan in it.
#include <ctime>

#include "runtime/abi.h"
#include "runtime/array.h"
#include "runtime/error.h"
#include "runtime/float_environment.h"
#include "runtime/mapping.h"
#include "runtime/model.h"
#include "runtime/prepared.h"
#include "runtime/shapes.h"

using namespace tenon::runtime;

namespace {

/// Sets of input shapes that a context remembers.
constexpr size_t kRememberedShapes = 8;

}  // namespace

struct tenon_context : Allocated {
  explicit tenon_context(tenon_model& owner) : model(owner) {}
  ~tenon_context() {
    for (Prepared* prepared : remembered) delete prepared;
  }

  tenon_model& model;
  Prepared* current = nullptr;  ///< one of `remembered`, bound to the memory below
  Prepared* remembered[kRememberedShapes] = {};
  uint64_t uses = 0;
  Array<int64_t> slots;  ///< room to evaluate them
  Mapping arena;
  Mapping scratch;
  uint64_t scratch_stride = 0;  ///< between two threads
  bool profiling = false;
  Array<tenon_step_time> times;
};

namespace {

int32_t reserve(Mapping& memory, uint64_t bytes, const char* what, tenon_error* error) {
  if (memory.size() >= bytes) return TENON_OK;
  memory = {};  // gives back the old pages before it takes new ones
  memory = Mapping::working_memory(bytes);
  if (memory.data()) return TENON_OK;
  return fail(error, TENON_ERROR_MEMORY, "no memory left for %s: %llu bytes", what,
              static_cast<unsigned long long>(bytes));
}

/// Makes `prepared` the current one, with memory.
int32_t activate(tenon_context& context, Prepared& prepared, tenon_error* error) {
  context.current = nullptr;
  if (int32_t code = reserve(context.arena, prepared.arena_bytes, "intermediate values", error)) {
    return code;
  }
  if (prepared.scratch_bytes > context.scratch_stride) {
    context.scratch_stride = 0;
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(prepared.scratch_bytes, context.model.pool.threads, &bytes)) {
      bytes = UINT64_MAX;
    }
    if (int32_t code = reserve(context.scratch, bytes, "scratch of the threads", error)) {
      return code;
    }
    context.scratch_stride = prepared.scratch_bytes;
  }
  prepared.bind(context.model.module, context.arena.data(), context.scratch.data());
  prepared.last_use = ++context.uses;
  context.current = &prepared;
  return TENON_OK;
}

/// Finds or makes what is prepared for these inputs.
int32_t select_shapes(tenon_context& context, const tenon_tensor* inputs, tenon_error* error) {
  const tenon_module& module = context.model.module;
  Prepared** oldest = &context.remembered[0];
  for (Prepared*& prepared : context.remembered) {
    if (!prepared) {
      oldest = &prepared;
      break;
    }
    if (fits_slots(module, prepared->slots.data(), inputs)) {
      return activate(context, *prepared, error);
    }
    if (prepared->last_use < (*oldest)->last_use) oldest = &prepared;
  }
  if (int32_t code = evaluate_slots(module, inputs, context.slots.data(), error)) return code;
  tenon_error why = {};
  Prepared* prepared = prepare(context.model, context.slots.data(), &why);
  if (!prepared) return fail(error, why.code, "%s", why.message);
  context.current = nullptr;
  delete *oldest;
  *oldest = prepared;
  return activate(context, *prepared, error);
}

bool fits_current(const tenon_context& context, const tenon_tensor* inputs) {
  return context.current && fits_slots(context.model.module, context.current->slots.data(), inputs);
}

int32_t null_data(const tenon_module& module, const CallerBuffer& buffer, tenon_error* error) {
  const tenon_binding* bindings = buffer.output ? module.outputs : module.inputs;
  return fail(error, TENON_ERROR_INPUT, "%s '%s' has no data: its pointer is NULL",
              buffer.output ? "output" : "input", module.strings + bindings[buffer.binding].name);
}

int32_t kernel_error(const tenon_module& module, uint32_t step, int32_t status,
                     tenon_error* error) {
  const char* name = module.strings + module.steps[step].name;
  switch (status) {
    case TENON_KERNEL_INDEX:
      return fail(error, TENON_ERROR_KERNEL, "%s: an index in its input is out of range", name);
    case TENON_KERNEL_EXTENT:
      return fail(error, TENON_ERROR_KERNEL,
                  "%s: its code accesses memory outside a buffer; this is a bug of the compiler",
                  name);
    default: return fail(error, TENON_ERROR_KERNEL, "%s: its code reports error %d", name, status);
  }
}

/// What the threads of a parallel step need.
struct SharedStep {
  const Call& call;
  uint64_t scratch_stride;
  int64_t first_task;  ///< of the round
};

int32_t run_tasks(void* state, int64_t begin, int64_t end, uint32_t thread) {
  const auto& step = *static_cast<const SharedStep*>(state);
  tenon_args args = step.call.args;
  args.scratch = static_cast<std::byte*>(args.scratch) + thread * step.scratch_stride;
  FloatEnvironment environment;
  return step.call.kernel(&args, step.first_task + begin, step.first_task + end);
}

int32_t run_step(const tenon_context& context, const Call& call) {
  if (call.tasks == 0) return 0;
  if (!call.parallel) return call.kernel(&call.args, 0, call.tasks);
  const tenon_pool& pool = context.model.pool;
  const int64_t of_a_round = call.tasks / call.rounds;
  for (SharedStep step{call, context.scratch_stride, 0}; step.first_task < call.tasks;
       step.first_task += of_a_round) {
    if (int32_t status = pool.run(pool.pool, run_tasks, &step, of_a_round)) return status;
  }
  return 0;
}

uint64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

/// Runs all steps; on failure `step` is the one that failed. Gives the status of its kernel.
int32_t run_steps(const tenon_context& context, uint32_t& step) {
  const Array<Call>& calls = context.current->calls;
  for (step = 0; step < calls.size(); ++step) {
    if (int32_t status = run_step(context, calls[step])) return status;
  }
  return 0;
}

int32_t run_steps_timed(tenon_context& context, uint32_t& step) {
  const Prepared& prepared = *context.current;
  uint64_t start = now();
  for (step = 0; step < prepared.calls.size(); ++step) {
    if (int32_t status = run_step(context, prepared.calls[step])) return status;
    uint64_t end = now();
    const tenon_step& what = context.model.module.steps[step];
    tenon_step_time& time = context.times[step];
    time.nanoseconds += end - start;
    time.flops = prepared.slots[what.flops];
    time.bytes = prepared.slots[what.bytes];
    start = end;
  }
  return 0;
}

}  // namespace

tenon_context* tenon_context_create(tenon_model* model, tenon_error* error) {
  auto* context = new tenon_context(*model);
  if (context && context->slots.reset(model->module.slot_count) &&
      context->times.reset(model->module.step_count)) {
    return context;
  }
  delete context;
  fail(error, TENON_ERROR_MEMORY, "no memory left for a context");
  return nullptr;
}

void tenon_context_free(tenon_context* context) { delete context; }

int32_t tenon_infer(tenon_context* context, const tenon_tensor* inputs, tenon_tensor* outputs,
                    tenon_error* error) {
  const tenon_module& module = context->model.module;
  const int64_t* slots = context->slots.data();
  if (fits_current(*context, inputs)) {
    slots = context->current->slots.data();
  } else if (int32_t code = evaluate_slots(module, inputs, context->slots.data(), error)) {
    return code;
  }
  fill_outputs(module, slots, outputs);
  return TENON_OK;
}

int32_t tenon_run(tenon_context* context, const tenon_tensor* inputs, tenon_tensor* outputs,
                  tenon_error* error) {
  if (!fits_current(*context, inputs)) {
    if (int32_t code = select_shapes(*context, inputs, error)) return code;
  }
  Prepared& prepared = *context->current;
  const tenon_module& module = context->model.module;
  for (const CallerBuffer& buffer : prepared.caller_buffers) {
    void* data = (buffer.output ? outputs : inputs)[buffer.binding].data;
    if (!data && !buffer.may_be_null) return null_data(module, buffer, error);
    prepared.buffers[buffer.position] = data;
  }
  uint32_t step = 0;
  int32_t status = 0;
  {
    FloatEnvironment environment;
    status = context->profiling ? run_steps_timed(*context, step) : run_steps(*context, step);
  }
  if (status != 0) return kernel_error(module, step, status, error);
  fill_outputs(module, prepared.slots.data(), outputs);
  return TENON_OK;
}

void tenon_profile(tenon_context* context, int32_t on) {
  context->profiling = on != 0;
  if (!context->profiling) return;
  for (tenon_step_time& time : context->times) time = {};
}

const tenon_step_time* tenon_profile_times(const tenon_context* context) {
  return context->times.data();
}

uint64_t tenon_context_arena_bytes(const tenon_context* context) { return context->arena.size(); }
