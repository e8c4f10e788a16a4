// The order of long computations that do not need each other.
#pragma once

#include <llvm/IR/BasicBlock.h>

namespace tenon::codegen {

/// Where a block makes one vector after the other by many dependent instructions and stores each,
/// such as the activations of a tile, puts the instructions of several vectors in turn. Stores keep
/// their order, and so do loads of what stores may change.
void interleave(llvm::BasicBlock& block);

}  // namespace tenon::codegen
