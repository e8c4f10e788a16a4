#include "runtime/prepared.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/memory.h"

namespace tenon::runtime {
namespace {

// A step goes to several threads when one would need about this long for it, by these rates of one
// core. Below, starting and ending a parallel region, and what it fetches from caches of other
// cores, cost more than it gains. From the second round on most of that is where it was.
constexpr double kSharedNanoseconds = 12000, kSharedRoundNanoseconds = 5000;
constexpr double kFlopsPerNanosecond = 40;
constexpr double kBytesPerNanosecond = 20;

// More than any address space.
constexpr int64_t kMostBytes = int64_t{1} << 47;

/// One round.
bool worth_sharing(int64_t flops, int64_t bytes, int64_t rounds) {
  double nanoseconds = static_cast<double>(flops) / kFlopsPerNanosecond +
                       static_cast<double>(bytes) / kBytesPerNanosecond;
  return nanoseconds >= (rounds > 1 ? kSharedRoundNanoseconds : kSharedNanoseconds);
}

/// Builds one Prepared; each function is true when all is well.
class Builder {
 public:
  Builder(const tenon_module& module, Prepared& prepared, tenon_error* error)
      : module_(module), prepared_(prepared), error_(error) {}

  bool build(const Range* ranges) {
    if (!take_slots(ranges)) return no_memory();
    for (uint32_t i = 0; i < module_.step_param_count; ++i) {
      prepared_.params[i] = prepared_.slots[module_.step_params[i]];
    }
    if (!place_buffers()) return false;
    if (!list_caller_buffers() || !prepared_.calls.reset(module_.step_count)) return no_memory();
    if (!make_calls()) return false;
    return list_late() || no_memory();
  }

  bool measure(const Range* ranges, tenon_memory& memory) {
    if (!take_slots(ranges)) return no_memory();
    if (!place_buffers()) return false;
    memory.arena = prepared_.arena_bytes;
    if (!largest_live_sum({lifetimes_.data(), lifetimes_.size()}, memory.live)) return no_memory();
    memory.scratch = 0;
    for (uint32_t i = 0; i < module_.step_count; ++i)
      memory.scratch = std::max(memory.scratch, scratch_bytes(module_.steps[i]));
    return true;
  }

 private:
  /// Late slots have the most that they can be, until they are known.
  bool take_slots(const Range* ranges) {
    if (!allocate()) return false;
    for (uint32_t i = 0; i < module_.slot_count; ++i) {
      const tenon_slot& slot = module_.slots[i];
      prepared_.slots[i] = ranges[i].most;
      late_[i] = slot.op == TENON_SLOT_READ ||
                 (slot.op >= TENON_SLOT_ADD && (late_[slot.a] || late_[slot.b]));
    }
    if (count_of(late_) == 0) return true;
    if (!prepared_.ranges.reset(module_.slot_count)) return false;
    std::copy(ranges, ranges + module_.slot_count, prepared_.ranges.begin());
    return true;
  }

  static uint32_t count_of(const Array<bool>& set) {
    return static_cast<uint32_t>(std::count(set.begin(), set.end(), true));
  }

  /// The numbers below `count` of which `is_in` is true.
  [[nodiscard]] static bool list(uint32_t count, auto is_in, Array<uint32_t>& numbers) {
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; ++i) size += is_in(i);
    if (!numbers.reset(size)) return false;
    uint32_t* next = numbers.begin();
    for (uint32_t i = 0; i < count; ++i) {
      if (is_in(i)) *next++ = i;
    }
    return true;
  }

  bool list_late() {
    if (prepared_.ranges.size() == 0) return true;
    const auto is_read = [&](uint32_t i) { return module_.slots[i].op == TENON_SLOT_READ; };
    const auto is_late_step = [&](uint32_t i) {
      const tenon_step& step = module_.steps[i];
      return late_[step.tasks] || late_[step.flops] || late_[step.bytes];
    };
    Array<uint32_t> reads;
    if (!list(module_.slot_count, is_read, reads) ||
        !list(
            module_.slot_count, [&](uint32_t i) { return late_[i] && !is_read(i); },
            prepared_.late_slots) ||
        !list(
            module_.step_param_count, [&](uint32_t i) { return late_[module_.step_params[i]]; },
            prepared_.late_params) ||
        !list(module_.step_count, is_late_step, prepared_.late_steps) ||
        !prepared_.readings.reset(reads.size())) {
      return false;
    }
    std::transform(reads.begin(), reads.end(), prepared_.readings.begin(), [&](uint32_t i) {
      return Reading{module_.slots[i].step, i, offsets_[module_.slots[i].a]};
    });
    std::sort(prepared_.readings.begin(), prepared_.readings.end(),
              [](const Reading& a, const Reading& b) {
                return a.step != b.step ? a.step < b.step : a.slot < b.slot;
              });
    return true;
  }

  bool allocate() {
    return prepared_.slots.reset(module_.slot_count) &&
           prepared_.params.reset(module_.step_param_count) &&
           prepared_.buffers.reset(module_.step_buffer_count) &&
           prepared_.arena_offsets.reset(module_.step_buffer_count) &&
           lifetimes_.reset(module_.buffer_count) && offsets_.reset(module_.buffer_count) &&
           late_.reset(module_.slot_count);
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
    // A late output's room is the product of the most that its dims can be, which may be less than
    // the most that the product can be.
    if (!input && late_[buffer.bytes]) return kMostBytes;
    const tenon_binding& binding = (input ? module_.inputs : module_.outputs)[buffer.index];
    const auto value_of = [&](uint32_t slot) { return prepared_.slots[slot]; };
    int64_t bytes = 0;
    return tensor_bytes(binding, value_of, bytes) ? bytes : -1;
  }

  /// Whether all sizes that are read lie in their buffers, whatever size these have.
  bool reads_fit() {
    for (uint32_t i = 0; i < module_.slot_count; ++i) {
      const tenon_slot& slot = module_.slots[i];
      if (slot.op != TENON_SLOT_READ) continue;
      const int64_t bytes = prepared_.ranges[module_.buffers[slot.a].bytes].least;
      if (slot.value > bytes - static_cast<int64_t>(sizeof(int64_t)))
        return bad_size(slot.a, bytes);
    }
    return true;
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
    if (!reads_fit()) return false;
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
      const int64_t tasks = prepared_.slots[step.tasks], rounds = prepared_.slots[step.rounds];
      const bool known = !late_[step.rounds] && (rounds == 1 || !late_[step.tasks]);
      if (rounds < 1 || tasks % rounds != 0 || !known) return bad_rounds(i, tasks, rounds);
      Call& call = prepared_.calls[i];
      call.kernel = module_.kernels[step.kernel];
      call.args.buffers = prepared_.buffers.data() + step.first_buffer;
      call.args.params = prepared_.params.data() + step.first_param;
      call.args.next_weights = first_weights(i + 1);
      prepared_.set_work(module_, i);
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
  Prepared& prepared_;
  tenon_error* error_;
  Array<Lifetime> lifetimes_;
  Array<uint64_t> offsets_;
  Array<bool> late_;  ///< by slot
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

void Prepared::set_work(const tenon_module& module, uint32_t step) {
  const tenon_step& what = module.steps[step];
  const int64_t tasks = slots[what.tasks], rounds = slots[what.rounds];
  calls[step].tasks = std::max<int64_t>(tasks, 0);
  calls[step].rounds = rounds;
  calls[step].parallel =
      tasks > rounds && threads > 1 &&
      worth_sharing(slots[what.flops] / rounds, slots[what.bytes] / rounds, rounds);
}

void Prepared::take_size(const tenon_module& module, uint32_t slot, int64_t value) {
  slots[slot] = value;
  for (uint32_t late : late_slots) slots[late] = slot_value(module.slots[late], slots.data());
  for (uint32_t param : late_params) params[param] = slots[module.step_params[param]];
  for (uint32_t step : late_steps) set_work(module, step);
}

Prepared* prepare(const tenon_model& model, const Range* ranges, tenon_error* error) {
  auto* prepared = new Prepared;
  if (!prepared) {
    fail(error, TENON_ERROR_MEMORY, "no memory left to prepare the model for these inputs");
    return nullptr;
  }
  prepared->threads = model.pool.threads;
  if (Builder(model.module, *prepared, error).build(ranges)) return prepared;
  delete prepared;
  return nullptr;
}

}  // namespace tenon::runtime

int32_t tenon_measure_memory(const tenon_module* module, const tenon_tensor* inputs,
                             tenon_memory* memory, tenon_error* error) {
  using namespace tenon::runtime;
  Array<Range> ranges;
  Prepared prepared;
  if (!ranges.reset(module->slot_count))
    return fail(error, TENON_ERROR_MEMORY, "no memory left to evaluate the plan's numbers");
  if (int32_t code = evaluate_slots(*module, inputs, ranges.data(), error)) return code;
  tenon_error why = {};
  if (Builder(*module, prepared, &why).measure(ranges.data(), *memory)) return TENON_OK;
  return fail(error, why.code, "%s", why.message);
}
