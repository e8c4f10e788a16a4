// Contexts: the memory of one caller, and the run of a plan in it.
#include <cstring>
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
  Array<Range> ranges;  ///< room to evaluate slots
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
  if (int32_t code = evaluate_slots(module, inputs, context.ranges.data(), error)) return code;
  tenon_error why = {};
  Prepared* prepared = prepare(context.model, context.ranges.data(), &why);
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

/// A round of a step's tasks. Every second one is walked backwards, each thread's share by itself:
/// it begins with what the round before left in that thread's cache.
struct Round {
  const Call& call;
  uint64_t scratch_stride;
  int64_t threads, tasks;
  int64_t number = 0;

  /// As many tasks as [begin, end), each in its place of this round's order.
  int32_t run(const tenon_args& args, int64_t begin, int64_t end) const {
    const int64_t first = number * tasks;
    if (number % 2 == 0) return call.kernel(&args, first + begin, first + end);
    int32_t status = 0;
    for (int64_t i = begin; i < end && status == 0; ++i) {
      const int64_t share = ((i + 1) * threads - 1) / tasks;
      const int64_t task = share * tasks / threads + (share + 1) * tasks / threads - 1 - i;
      status = call.kernel(&args, first + task, first + task + 1);
    }
    return status;
  }
};

int32_t run_tasks(void* state, int64_t begin, int64_t end, uint32_t thread) {
  const auto& round = *static_cast<const Round*>(state);
  tenon_args args = round.call.args;
  args.scratch = static_cast<std::byte*>(args.scratch) + thread * round.scratch_stride;
  FloatEnvironment environment;
  return round.run(args, begin, end);
}

int32_t run_step(const tenon_context& context, const Call& call) {
  if (call.tasks == 0) return 0;
  const tenon_pool& pool = context.model.pool;
  const int64_t threads = call.parallel ? pool.threads : 1;
  Round round{call, context.scratch_stride, threads, call.tasks / call.rounds};
  int32_t status = 0;
  for (; round.number < call.rounds && status == 0; ++round.number) {
    status = call.parallel ? pool.run(pool.pool, run_tasks, &round, round.tasks)
                           : round.run(call.args, 0, round.tasks);
  }
  return status;
}

uint64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

/// Runs steps from `step` to `end`; on failure `step` is the one that failed. Gives the status of
/// its kernel.
int32_t run_steps(const tenon_context& context, uint32_t& step, size_t end) {
  const Array<Call>& calls = context.current->calls;
  for (; step < end; ++step) {
    if (int32_t status = run_step(context, calls[step])) return status;
  }
  return 0;
}

int32_t run_steps_timed(tenon_context& context, uint32_t& step, size_t last) {
  const Prepared& prepared = *context.current;
  uint64_t start = now();
  for (; step < last; ++step) {
    if (int32_t status = run_step(context, prepared.calls[step])) return status;
    uint64_t end = now();
    const tenon_step& what = context.model.module.steps[step];
    tenon_step_time& time = context.times[step];
    time.nanoseconds += end - start;
    time.flops = prepared.slots[what.flops];
    time.bytes = prepared.slots[what.bytes];
    time.rounds = prepared.slots[what.rounds];
    start = end;
  }
  return 0;
}

/// The caller's tensors of a run, and where its errors go.
struct Run {
  tenon_context& context;
  const tenon_tensor* inputs;
  tenon_tensor* outputs;
  tenon_error* error;

  /// Runs steps from `step` to `end`.
  int32_t steps(uint32_t& step, size_t end) const {
    const int32_t status =
        context.profiling ? run_steps_timed(context, step, end) : run_steps(context, step, end);
    return status ? kernel_error(context.model.module, step, status, error) : TENON_OK;
  }

  int32_t take_size(const Reading& reading) const {
    const tenon_module& module = context.model.module;
    const tenon_slot& slot = module.slots[reading.slot];
    const auto* place = static_cast<const std::byte*>(memory(reading));
    if (!place) return fail(error, TENON_ERROR_INPUT, "a tensor that says a size has no data");
    int64_t size = 0;
    std::memcpy(&size, place + slot.value, sizeof(size));
    const int64_t most = context.current->slots[slot.b];
    if (size < 0 || size > most) {
      return fail(
          error, TENON_ERROR_KERNEL, "%s: a size of %lld where %lld is the most there can be",
          reading.step ? module.strings + module.steps[reading.step - 1].name : "the inputs",
          static_cast<long long>(size), static_cast<long long>(most));
    }
    context.current->take_size(module, reading.slot, size);
    return TENON_OK;
  }

  /// No output may have a dim below 0.
  int32_t check_outputs() const {
    const tenon_module& module = context.model.module;
    for (uint32_t i = 0; i < module.output_count; ++i) {
      int64_t bytes = 0;
      const auto value_of = [&](uint32_t slot) { return context.current->slots[slot]; };
      if (tensor_bytes(module.outputs[i], value_of, bytes)) continue;
      return fail(error, TENON_ERROR_KERNEL, "output '%s' would have an impossible size",
                  module.strings + module.outputs[i].name);
    }
    return TENON_OK;
  }

  int32_t all() const {
    const Prepared& prepared = *context.current;
    FloatEnvironment environment;
    uint32_t step = 0;
    for (const Reading& reading : prepared.readings) {
      if (int32_t code = steps(step, reading.step)) return code;
      if (int32_t code = take_size(reading)) return code;
    }
    if (int32_t code = prepared.readings.size() ? check_outputs() : TENON_OK) return code;
    return steps(step, prepared.calls.size());
  }

 private:
  const void* memory(const Reading& reading) const {
    const tenon_module& module = context.model.module;
    const tenon_buffer& buffer = module.buffers[module.slots[reading.slot].a];
    switch (buffer.kind) {
      case TENON_BUFFER_INPUT: return inputs[buffer.index].data;
      case TENON_BUFFER_OUTPUT: return outputs[buffer.index].data;
      case TENON_BUFFER_WEIGHT:
        return static_cast<const std::byte*>(module.weights) + buffer.offset;
      default: return context.arena.data() + reading.arena_offset;
    }
  }
};

}  // namespace

tenon_context* tenon_context_create(tenon_model* model, tenon_error* error) {
  auto* context = new tenon_context(*model);
  if (context && context->ranges.reset(model->module.slot_count) &&
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
  if (fits_current(*context, inputs)) {
    fill_outputs(module, [&](uint32_t slot) { return context->current->most(slot); }, outputs);
    return TENON_OK;
  }
  const Range* ranges = context->ranges.data();
  if (int32_t code = evaluate_slots(module, inputs, context->ranges.data(), error)) return code;
  fill_outputs(module, [&](uint32_t slot) { return ranges[slot].most; }, outputs);
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
  if (int32_t code = Run{*context, inputs, outputs, error}.all()) return code;
  fill_outputs(module, [&](uint32_t slot) { return prepared.slots[slot]; }, outputs);
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
