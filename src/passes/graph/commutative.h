// Operators whose two operands may be exchanged.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

inline bool is_commutative(ir::Op op) {
  switch (op) {
    case ir::Op::kAdd:
    case ir::Op::kMul:
    case ir::Op::kMin:
    case ir::Op::kMax:
    case ir::Op::kEqual:
    case ir::Op::kNotEqual:
    case ir::Op::kAnd:
    case ir::Op::kOr:
    case ir::Op::kXor:
    case ir::Op::kBitAnd:
    case ir::Op::kBitOr:
    case ir::Op::kBitXor: return true;
    default: return false;
  }
}

}  // namespace tenon::passes
