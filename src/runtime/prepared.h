// A plan made ready for one set of input shapes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/abi.h"
#include "runtime/array.h"
#include "runtime/model.h"

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

/// All numbers and pointers of a plan for one set of input shapes.
struct Prepared : Allocated {
  Array<int64_t> slots;
  Array<int64_t> params;          ///< as step_params
  Array<void*> buffers;           ///< as step_buffers
  Array<uint64_t> arena_offsets;  ///< as step_buffers; only those of arena buffers count
  Array<CallerBuffer> caller_buffers;
  Array<Call> calls;  ///< as steps
  uint64_t arena_bytes = 0;
  uint64_t scratch_bytes = 0;  ///< of one thread, a multiple of 64
  uint64_t last_use = 0;       ///< for choosing which one to forget

  /// Points buffers and calls into this memory; cheap when they do already.
  void bind(const tenon_module& module, std::byte* arena, std::byte* scratch);

 private:
  std::byte* arena_ = nullptr;
  std::byte* scratch_ = nullptr;
  bool bound_ = false;
};

/// Makes a plan ready for evaluated slots. Null and a filled error when sizes make no sense
/// (TENON_ERROR_FORMAT) or memory is short.
Prepared* prepare(const tenon_model& model, const int64_t* slots, tenon_error* error);

}  // namespace tenon::runtime
