// Work on constants, done.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

struct FoldOptions {
  size_t bytes = 64 << 10;  ///< results beyond this are folded only where the operands are larger
};

/// *Needs*: any graph. *Gives*: nodes that read nothing but `constant` values, and make little from
/// them, are constants. What fails to evaluate stays a node, which reports the same when it runs.
/// Work on parameters is left to `split_prepare`. *Why here*: first, since rules and recognition
/// look at constants' values.
void fold_constants(ir::Module& module, const FoldOptions& options);

}  // namespace tenon::passes
