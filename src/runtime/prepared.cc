#include "runtime/prepared.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/shapes.h"

namespace tenon::runtime {
namespace {

// A step goes to several threads when one would need about this long for it, by these rates of one
// core. Below, starting and ending a parallel region costs more than it gains.
constexpr double kSharedNanoseconds = 5000;
constexpr double kFlopsPerNanosecond = 40;
constexpr double kBytesPerNanosecond = 10;

// More than any address space.
constexpr int64_t kMostBytes = int64_t{1} << 47;

bool worth_sharing(int64_t flops, int64_t bytes) {
  double nanoseconds = static_cast<double>(flops) / kFlopsPerNanosecond +
                       static_cast<double>(bytes) / kBytesPerNanosecond;
  return nanoseconds >= kSharedNanoseconds;
}

/// Builds one Prepared; each function is true when all is well.
class Builder {
 public:
  Builder(const tenon_module& module, uint32_t threads, Prepared& prepared, tenon_error* error)
      : module_(module), threads_(threads), prepared_(prepared), error_(error) {}

  bool build(const int64_t* slots) {
    if (!take_slots(slots)) return no_memory();
    for (uint32_t i = 0; i < module_.step_param_count; ++i) {
      prepared_.params[i] = prepared_.slots[module_.step_params[i]];
    }
    if (!place_buffers()) return false;
    if (!list_caller_buffers() || !prepared_.calls.reset(module_.step_count)) return no_memory();
    return make_calls();
  }

  bool measure(const int64_t* slots, tenon_memory& memory) {
    if (!take_slots(slots)) return no_memory();
    if (!place_buffers()) return false;
    memory.arena = prepared_.arena_bytes;
    if (!largest_live_sum({lifetimes_.data(), lifetimes_.size()}, memory.live)) return no_memory();
    memory.scratch = 0;
    for (uint32_t i = 0; i < module_.step_count; ++i)
      memory.scratch = std::max(memory.scratch, scratch_bytes(module_.steps[i]));
    return true;
  }

 private:
  bool take_slots(const int64_t* slots) {
    if (!allocate()) return false;
    std::copy(slots, slots + module_.slot_count, prepared_.slots.begin());
    return true;
  }

  bool allocate() {
    return prepared_.slots.reset(module_.slot_count) &&
           prepared_.params.reset(module_.step_param_count) &&
           prepared_.buffers.reset(module_.step_buffer_count) &&
           prepared_.arena_offsets.reset(module_.step_buffer_count) &&
           lifetimes_.reset(module_.buffer_count) && offsets_.reset(module_.buffer_count);
  }

  bool no_memory() {
    fail(error_, TENON_ERROR_MEMORY, "no memory left to prepare the model for these inputs");
    return false;
  }

  bool bad_size(uint32_t buffer, int64_t size) {
    fail(error_, TENON_ERROR_FORMAT, "the plan gives buffer %u an impossible size: %lld bytes",
         buffer, static_cast<long long>(size));
    return false;
  }

  bool bad_rounds(uint32_t step, int64_t tasks, int64_t rounds) {
    fail(error_, TENON_ERROR_FORMAT, "the plan gives step %u %lld tasks in %lld rounds", step,
         static_cast<long long>(tasks), static_cast<long long>(rounds));
    return false;
  }

  /// The most bytes that a buffer may have.
  int64_t limit(const tenon_buffer& buffer) const {
    if (buffer.kind == TENON_BUFFER_ARENA) return kMostBytes;
    if (buffer.kind == TENON_BUFFER_WEIGHT) {
      return static_cast<int64_t>(module_.weight_bytes - buffer.offset);
    }
    bool input = buffer.kind == TENON_BUFFER_INPUT;
    const tenon_binding& binding = (input ? module_.inputs : module_.outputs)[buffer.index];
    int64_t bytes = 0;
    return tensor_bytes(binding, prepared_.slots.data(), bytes) ? bytes : -1;
  }

  bool place_buffers() {
    int64_t arena = 0;
    for (uint32_t i = 0; i < module_.buffer_count; ++i) {
      const tenon_buffer& buffer = module_.buffers[i];
      int64_t bytes = prepared_.slots[buffer.bytes];
      bool in_arena = buffer.kind == TENON_BUFFER_ARENA;
      if (bytes < 0 || bytes > limit(buffer) || (in_arena && (arena += bytes) > kMostBytes)) {
        return bad_size(i, bytes);
      }
      if (in_arena) lifetimes_[i] = {buffer.first, buffer.last, static_cast<uint64_t>(bytes)};
    }
    if (!plan_memory({lifetimes_.data(), lifetimes_.size()}, {offsets_.data(), offsets_.size()},
                     prepared_.arena_bytes)) {
      return no_memory();
    }
    for (uint32_t i = 0; i < module_.step_buffer_count; ++i) {
      prepared_.arena_offsets[i] = offsets_[module_.step_buffers[i]];
    }
    return true;
  }

  bool list_caller_buffers() {
    auto is_callers = [&](uint32_t i) {
      uint32_t kind = module_.buffers[module_.step_buffers[i]].kind;
      return kind == TENON_BUFFER_INPUT || kind == TENON_BUFFER_OUTPUT;
    };
    uint32_t count = 0;
    for (uint32_t i = 0; i < module_.step_buffer_count; ++i) count += is_callers(i);
    if (!prepared_.caller_buffers.reset(count)) return false;
    CallerBuffer* next = prepared_.caller_buffers.begin();
    for (uint32_t i = 0; i < module_.step_buffer_count; ++i) {
      if (!is_callers(i)) continue;
      const tenon_buffer& buffer = module_.buffers[module_.step_buffers[i]];
      *next++ = {i, buffer.index, buffer.kind == TENON_BUFFER_OUTPUT,
                 prepared_.slots[buffer.bytes] == 0};
    }
    return true;
  }

  /// The weights that step `i` reads first, or null.
  const void* first_weights(uint32_t i) const {
    if (i >= module_.step_count) return nullptr;
    const tenon_step& step = module_.steps[i];
    for (uint32_t k = 0; k < step.buffer_count; ++k) {
      const tenon_buffer& buffer = module_.buffers[module_.step_buffers[step.first_buffer + k]];
      if (buffer.kind != TENON_BUFFER_WEIGHT) continue;
      return static_cast<const std::byte*>(module_.weights) + buffer.offset;
    }
    return nullptr;
  }

  bool make_calls() {
    for (uint32_t i = 0; i < module_.step_count; ++i) {
      const tenon_step& step = module_.steps[i];
      const int64_t tasks = std::max<int64_t>(prepared_.slots[step.tasks], 0);
      const int64_t rounds = prepared_.slots[step.rounds];
      if (rounds < 1 || tasks % rounds != 0) return bad_rounds(i, tasks, rounds);
      Call& call = prepared_.calls[i];
      call.kernel = module_.kernels[step.kernel];
      call.args.buffers = prepared_.buffers.data() + step.first_buffer;
      call.args.params = prepared_.params.data() + step.first_param;
      call.args.next_weights = first_weights(i + 1);
      call.tasks = tasks;
      call.rounds = rounds;
      call.parallel =
          tasks > rounds && threads_ > 1 &&
          worth_sharing(prepared_.slots[step.flops] / rounds, prepared_.slots[step.bytes] / rounds);
      prepared_.scratch_bytes = std::max(prepared_.scratch_bytes, scratch_bytes(step));
    }
    return true;
  }

  /// Of one thread, in whole cache lines.
  uint64_t scratch_bytes(const tenon_step& step) const {
    const int64_t scratch = std::clamp<int64_t>(prepared_.slots[step.scratch], 0, kMostBytes);
    return (static_cast<uint64_t>(scratch) + 63) / 64 * 64;
  }

  const tenon_module& module_;
  uint32_t threads_;
  Prepared& prepared_;
  tenon_error* error_;
  Array<Lifetime> lifetimes_;
  Array<uint64_t> offsets_;
};

}  // namespace

void Prepared::bind(const tenon_module& module, std::byte* arena, std::byte* scratch) {
  if (arena_ == arena && scratch_ == scratch && bound_) return;
  for (uint32_t i = 0; i < module.step_buffer_count; ++i) {
    const tenon_buffer& buffer = module.buffers[module.step_buffers[i]];
    if (buffer.kind == TENON_BUFFER_ARENA) {
      buffers[i] = arena + arena_offsets[i];
    } else if (buffer.kind == TENON_BUFFER_WEIGHT) {
      // Kernels read weights only; their type has no const because buffers share one list.
      buffers[i] =
          const_cast<std::byte*>(static_cast<const std::byte*>(module.weights)) + buffer.offset;
    }
  }
  for (Call& call : calls) call.args.scratch = scratch;
  arena_ = arena;
  scratch_ = scratch;
  bound_ = true;
}

Prepared* prepare(const tenon_model& model, const int64_t* slots, tenon_error* error) {
  auto* prepared = new Prepared;
  if (!prepared) {
    fail(error, TENON_ERROR_MEMORY, "no memory left to prepare the model for these inputs");
    return nullptr;
  }
  if (Builder(model.module, model.pool.threads, *prepared, error).build(slots)) return prepared;
  delete prepared;
  return nullptr;
}

}  // namespace tenon::runtime

int32_t tenon_measure_memory(const tenon_module* module, const tenon_tensor* inputs,
                             tenon_memory* memory, tenon_error* error) {
  using namespace tenon::runtime;
  Array<int64_t> slots;
  Prepared prepared;
  if (!slots.reset(module->slot_count))
    return fail(error, TENON_ERROR_MEMORY, "no memory left to evaluate the plan's numbers");
  if (int32_t code = evaluate_slots(*module, inputs, slots.data(), error)) return code;
  tenon_error why = {};
  if (Builder(*module, 1, prepared, &why).measure(slots.data(), *memory)) return TENON_OK;
  return fail(error, why.code, "%s", why.message);
}
