// Batch normalisation, scales and shifts by channel as arithmetic on weights.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: any graph. *Gives*: no batch_norm: it is a multiplication and an addition with a vector
/// by channel. Where one of these, or any other by a constant or parameter that has at most one
/// number per channel, directly follows a convolution or matrix multiplication with constant
/// weights whose result nobody else reads, it is done to the weights and bias instead, as nodes
/// that `split_prepare` takes out. *Why here*: after `sink_views`, which brings scales to the node
/// that they can be folded into; before `pack-weights`, which hides plain weights.
void fold_normalisation(ir::Module& module);

}  // namespace tenon::passes
