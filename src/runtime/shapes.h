// Input checks and the numbers that follow from input shapes.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/abi.h"

namespace tenon::runtime {

/// Whether inputs have the dtypes, ranks and dims for which `slots` was evaluated.
bool fits_slots(const tenon_module& module, const int64_t* slots, const tenon_tensor* inputs);

/// Checks the inputs and evaluates all slots for them (`slots` has slot_count elements). Gives
/// TENON_OK, or TENON_ERROR_INPUT with a sentence that names the input and the dim.
int32_t evaluate_slots(const tenon_module& module, const tenon_tensor* inputs, int64_t* slots,
                       tenon_error* error);

/// Fills dtype, rank and dims of the outputs from evaluated slots.
void fill_outputs(const tenon_module& module, const int64_t* slots, tenon_tensor* outputs);

/// Bytes of a tensor with these evaluated dims; false when a dim is negative or the product does
/// not fit 63 bits.
[[nodiscard]] bool tensor_bytes(const tenon_binding& binding, const int64_t* slots, int64_t& bytes);

}  // namespace tenon::runtime
