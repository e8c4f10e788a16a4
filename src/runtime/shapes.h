// Input checks and the numbers that follow from input shapes.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/abi.h"
#include "runtime/error.h"

namespace tenon::runtime {

/// What a slot's value can be: one number, unless it is late.
struct Range {
  int64_t least, most;
};

/// Whether inputs have the dtypes, ranks and dims for which `slots` was evaluated.
bool fits_slots(const tenon_module& module, const int64_t* slots, const tenon_tensor* inputs);

/// Checks the inputs and evaluates all slots for them (`ranges` has slot_count elements). Gives
/// TENON_OK, or TENON_ERROR_INPUT with a sentence that names the input and the dim.
int32_t evaluate_slots(const tenon_module& module, const tenon_tensor* inputs, Range* ranges,
                       tenon_error* error);

/// The value of an arithmetic slot from the values of earlier ones, which lie in the ranges that
/// evaluate_slots gave.
int64_t slot_value(const tenon_slot& slot, const int64_t* slots);

/// Fills dtype, rank and dims of the outputs; `value_of` gives the value of a slot.
void fill_outputs(const tenon_module& module, auto value_of, tenon_tensor* outputs) {
  for (uint32_t i = 0; i < module.output_count; ++i) {
    const tenon_binding& binding = module.outputs[i];
    outputs[i].dtype = binding.dtype;
    outputs[i].rank = binding.rank;
    for (uint32_t d = 0; d < binding.rank; ++d) outputs[i].dims[d] = value_of(binding.dims[d]);
  }
}

/// Bytes of a tensor with these dims; false when a dim is negative or the product does not fit 63
/// bits.
[[nodiscard]] bool tensor_bytes(const tenon_binding& binding, auto value_of, int64_t& bytes) {
  bytes = dtype_bytes(binding.dtype);
  for (uint32_t d = 0; d < binding.rank; ++d) {
    const int64_t dim = value_of(binding.dims[d]);
    if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes)) return false;
  }
  return true;
}

}  // namespace tenon::runtime
