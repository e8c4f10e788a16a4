// What expressions of the loop language compute, on lanes in plain memory.
#pragma once

#include "ir/loop.h"

namespace tenon::interp {

/// One expression whose operands are known: arrays of lanes, in their dtypes' storage types.
/// Serves every kind that touches neither memory nor variables.
struct Operands {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* c = nullptr;
};
void compute(const ir::Function& function, const ir::Expr& expr, Operands operands, void* result);

}  // namespace tenon::interp
