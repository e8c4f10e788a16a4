#include "runtime/check_module.h"

#include <algorithm>
#include <initializer_list>

#include "runtime/array.h"
#include "runtime/error.h"

namespace tenon::runtime {
namespace {

/// Checks one kind of item after the other; each function is true when all is well.
class Checker {
 public:
  Checker(const tenon_module& module, const char* source, tenon_error* error)
      : module_(module), source_(source), error_(error) {}

  bool check() {
    return version() && strings() && slots() &&
           bindings("input", module_.inputs, module_.input_count) &&
           bindings("output", module_.outputs, module_.output_count) && early_inputs() &&
           buffers() && reads() && steps();
  }

 private:
  bool bad(const char* item, uint32_t index, const char* what) {
    fail(error_, TENON_ERROR_FORMAT, "%s: the plan is damaged: %s %u has a bad %s", source_, item,
         index, what);
    return false;
  }

  bool version() {
    if (module_.abi_version == TENON_ABI_VERSION) return true;
    fail(error_, TENON_ERROR_FORMAT,
         "%s: made for version %u of the runtime, but this is version %u: compile the model again",
         source_, module_.abi_version, TENON_ABI_VERSION);
    return false;
  }

  bool strings() {
    if (module_.string_bytes == 0 || module_.strings[module_.string_bytes - 1] == 0) return true;
    fail(error_, TENON_ERROR_FORMAT, "%s: the plan is damaged: its names do not end", source_);
    return false;
  }

  bool slots() {
    if (!known_at_.reset(module_.slot_count) || !late_.reset(module_.slot_count)) {
      fail(error_, TENON_ERROR_MEMORY, "%s: no memory left to check the plan", source_);
      return false;
    }
    for (uint32_t i = 0; i < module_.slot_count; ++i) {
      const tenon_slot& slot = module_.slots[i];
      bool good = false;
      switch (slot.op) {
        case TENON_SLOT_CONSTANT: good = true; break;
        case TENON_SLOT_DIM:
          good = slot.a < module_.input_count && slot.b < module_.inputs[slot.a].rank;
          break;
        case TENON_SLOT_ADD:
        case TENON_SLOT_SUB:
        case TENON_SLOT_MUL:
        case TENON_SLOT_FLOOR_DIV:
        case TENON_SLOT_MOD:
        case TENON_SLOT_MIN:
        case TENON_SLOT_MAX:
          good = slot.a < i && slot.b < i;
          if (good) {
            late_[i] = late_[slot.a] || late_[slot.b];
            known_at_[i] = std::max(known_at_[slot.a], known_at_[slot.b]);
          }
          break;
        case TENON_SLOT_READ:
          good = slot.a < module_.buffer_count && slot.b < i && slot.value >= 0 &&
                 slot.step <= module_.step_count && known_at_[slot.b] <= slot.step;
          late_[i] = true;
          known_at_[i] = slot.step;
          break;
        default: return bad("slot", i, "operation");
      }
      if (!good) return bad("slot", i, "operand");
    }
    return true;
  }

  bool bindings(const char* item, const tenon_binding* bindings, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const tenon_binding& binding = bindings[i];
      if (binding.name >= module_.string_bytes) return bad(item, i, "name");
      if (binding.dtype > TENON_F64) return bad(item, i, "dtype");
      if (binding.rank > TENON_MAX_RANK) return bad(item, i, "rank");
      for (uint32_t d = 0; d < binding.rank; ++d) {
        if (binding.dims[d] >= module_.slot_count) return bad(item, i, "dim");
      }
    }
    return true;
  }

  bool early_inputs() {
    for (uint32_t i = 0; i < module_.input_count; ++i) {
      for (uint32_t d = 0; d < module_.inputs[i].rank; ++d) {
        if (late_[module_.inputs[i].dims[d]]) return bad("input", i, "dim");
      }
    }
    return true;
  }

  /// A size is read from a buffer that has been written by then and is still there.
  bool reads() {
    for (uint32_t i = 0; i < module_.slot_count; ++i) {
      const tenon_slot& slot = module_.slots[i];
      if (slot.op != TENON_SLOT_READ) continue;
      const tenon_buffer& buffer = module_.buffers[slot.a];
      if (buffer.kind == TENON_BUFFER_ARENA &&
          (slot.step <= buffer.first || slot.step > uint64_t{buffer.last} + 1)) {
        return bad("slot", i, "buffer: it is read outside its lifetime");
      }
    }
    return true;
  }

  bool buffers() {
    for (uint32_t i = 0; i < module_.buffer_count; ++i) {
      const tenon_buffer& buffer = module_.buffers[i];
      if (buffer.bytes >= module_.slot_count) return bad("buffer", i, "size");
      switch (buffer.kind) {
        case TENON_BUFFER_ARENA:
          if (buffer.first > buffer.last || buffer.last >= module_.step_count) {
            return bad("buffer", i, "lifetime");
          }
          break;
        case TENON_BUFFER_INPUT:
          if (buffer.index >= module_.input_count) return bad("buffer", i, "input");
          break;
        case TENON_BUFFER_OUTPUT:
          if (buffer.index >= module_.output_count) return bad("buffer", i, "output");
          break;
        case TENON_BUFFER_WEIGHT:
          if (buffer.offset > module_.weight_bytes) return bad("buffer", i, "offset");
          break;
        default: return bad("buffer", i, "kind");
      }
    }
    return true;
  }

  bool steps() {
    for (uint32_t i = 0; i < module_.step_count; ++i) {
      const tenon_step& step = module_.steps[i];
      if (step.kernel >= module_.kernel_count) return bad("step", i, "kernel");
      if (step.name >= module_.string_bytes) return bad("step", i, "name");
      for (uint32_t slot : {step.tasks, step.rounds, step.scratch, step.flops, step.bytes}) {
        if (slot >= module_.slot_count) return bad("step", i, "size");
        if (known_at_[slot] > i) return bad("step", i, "size: it is not known by then");
      }
      if (uint64_t{step.first_buffer} + step.buffer_count > module_.step_buffer_count ||
          uint64_t{step.first_param} + step.param_count > module_.step_param_count) {
        return bad("step", i, "list of buffers or parameters");
      }
      if (!step_buffers(i) || !step_params(i)) return false;
    }
    return true;
  }

  bool step_buffers(uint32_t i) {
    const tenon_step& step = module_.steps[i];
    for (uint32_t k = 0; k < step.buffer_count; ++k) {
      uint32_t index = module_.step_buffers[step.first_buffer + k];
      if (index >= module_.buffer_count) return bad("step", i, "buffer");
      const tenon_buffer& buffer = module_.buffers[index];
      if (buffer.kind == TENON_BUFFER_ARENA && (i < buffer.first || i > buffer.last)) {
        return bad("step", i, "buffer: it is used outside its lifetime");
      }
    }
    return true;
  }

  bool step_params(uint32_t i) {
    const tenon_step& step = module_.steps[i];
    for (uint32_t k = 0; k < step.param_count; ++k) {
      const uint32_t slot = module_.step_params[step.first_param + k];
      if (slot >= module_.slot_count) return bad("step", i, "parameter");
      if (known_at_[slot] > i) return bad("step", i, "parameter: it is not known by then");
    }
    return true;
  }

  const tenon_module& module_;
  const char* source_;
  tenon_error* error_;
  Array<uint32_t> known_at_;  ///< steps that have run when a slot is known
  Array<bool> late_;          ///< slots that depend on the model's data
};

}  // namespace

int32_t check_module(const tenon_module& module, const char* source, tenon_error* error) {
  return Checker(module, source, error).check() ? TENON_OK : TENON_ERROR_FORMAT;
}

}  // namespace tenon::runtime
