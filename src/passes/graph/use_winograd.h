// Convolutions by Winograd's algorithm.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: a clean graph. *Gives*: `winograd_conv` in place of the convolutions with constant
/// filters for which its recipe expects to be faster; their transformed filters, up to four times
/// as large, take at most a fifth of the model's weights, or 64 MiB, more: what gains least for its
/// size is left as it is. *Why here*: after every rewrite that matches convolutions; before
/// `pack-weights`, which packs the filters of the rest.
void use_winograd(ir::Module& module, const Target& target);

}  // namespace tenon::passes
