#include "ops/families.h"

namespace tenon::ops {

Family leaf_operators() {
  Operator leaf{.infer = nullptr, .evaluate = nullptr, .traits = {.leaf = true}};
  return {{ir::Op::kConstant, leaf}, {ir::Op::kParameter, leaf}};
}

}  // namespace tenon::ops
