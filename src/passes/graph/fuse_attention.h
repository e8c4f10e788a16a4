// Attention in the chains that exporters write it as.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: canonical forms (`simplify`). *Gives*: matmul(softmax(scores), v), whose scores are a
/// product q k^T that may be scaled, masked and guarded against rows without any key, is one
/// `attention` where nobody looks inside; keys and values that are repeated for heads are read once
/// per group of heads. *Why here*: part of `recognise`, before views sink below the scales of
/// queries and keys.
void fuse_attention(ir::Module& module);

}  // namespace tenon::passes
