// One loop function to LLVM IR in SSA form, final as it stands: no optimisation pass follows.
#pragma once

#include <llvm/IR/Module.h>

#include "base/target.h"
#include "ir/loop.h"

namespace tenon::codegen {

/// Adds the kernel to the module. `checked` is CodegenOptions::checked.
llvm::Function* emit(const ir::Function& function, const Target& target, bool checked,
                     llvm::Module& module);

}  // namespace tenon::codegen
