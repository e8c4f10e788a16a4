// Makes sure that a plan can be followed without reading or writing out of bounds.
#pragma once

#include "runtime/abi.h"

namespace tenon::runtime {

/// Checks every index, count, name and lifetime of `module` (its kernels only for their number).
/// Gives TENON_OK, or TENON_ERROR_FORMAT with a sentence that starts with `source`, the name of
/// where the module came from. Finds damage; kernels themselves are trusted.
int32_t check_module(const tenon_module& module, const char* source, tenon_error* error);

}  // namespace tenon::runtime
