// A plan made ready for one set of input shapes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/abi.h"
#include "runtime/array.h"
#include "runtime/model.h"
#include "runtime/shapes.h"

namespace tenon::runtime {

/// One step, ready to be called.
struct Call {
  tenon_kernel kernel;
  tenon_args args;  ///< with the scratch of thread 0
  int64_t tasks;    ///< of all rounds; with 0 it is not called
  int64_t rounds;   ///< divides tasks
  bool parallel;    ///< a round has enough work to share it between threads
};

/// Pointer `position` of `buffers` is the data of a caller's tensor.
struct CallerBuffer {
  uint32_t position;
  uint32_t binding;
  bool output;
  bool may_be_null;  ///< it has no bytes
};

/// A slot whose value a run reads when `step` steps have run.
struct Reading {
  uint32_t step;
  uint32_t slot;
  uint64_t arena_offset;  ///< of its buffer, if that is in the arena
};

/// All numbers and pointers of a plan for one set of input shapes. Late numbers are those of the
/// last run; memory is planned for the most that they can be.
struct Prepared : Allocated {
  Array<int64_t> slots;
  Array<Range> ranges;            ///< as slots; empty when none is late
  Array<int64_t> params;          ///< as step_params
  Array<void*> buffers;           ///< as step_buffers
  Array<uint64_t> arena_offsets;  ///< as step_buffers; only those of arena buffers count
  Array<CallerBuffer> caller_buffers;
  Array<Call> calls;                                    ///< as steps
  Array<Reading> readings;                              ///< by step
  Array<uint32_t> late_slots, late_params, late_steps;  ///< what changes with them
  uint32_t threads = 1;
  uint64_t arena_bytes = 0;
  uint64_t scratch_bytes = 0;  ///< of one thread, a multiple of 64
  uint64_t last_use = 0;       ///< for choosing which one to forget

  /// Points buffers and calls into this memory; cheap when they do already.
  void bind(const tenon_module& module, std::byte* arena, std::byte* scratch);

  /// Of an output's dim: the most that it can be.
  int64_t most(uint32_t slot) const { return ranges.size() ? ranges[slot].most : slots[slot]; }

  /// Gives a slot that is read its value, from 0 to that of its bound, and all late numbers theirs.
  void take_size(const tenon_module& module, uint32_t slot, int64_t value);

  /// Gives a step's call the work that the slots say.
  void set_work(const tenon_module& module, uint32_t step);

 private:
  std::byte* arena_ = nullptr;
  std::byte* scratch_ = nullptr;
  bool bound_ = false;
};

/// Makes a plan ready for slots of these ranges. Null and a filled error when sizes make no sense
/// (TENON_ERROR_FORMAT) or memory is short.
Prepared* prepare(const tenon_model& model, const Range* ranges, tenon_error* error);

}  // namespace tenon::runtime
