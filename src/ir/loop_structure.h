// What a loop function means, as bytes.
#pragma once

#include <string>

#include "ir/loop.h"

namespace tenon::ir {

/// All of a function but its names, so that functions with equal bytes have equal code: the key by
/// which kernels are told apart and found again.
std::string structure(const Function& function);

}  // namespace tenon::ir
