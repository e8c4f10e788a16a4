// Convolutions by Winograd's algorithm.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: a clean graph. *Gives*: `winograd_conv` in place of the convolutions with constant
/// filters for which its recipe expects to be faster. *Why here*: after every rewrite that matches
/// convolutions; before `pack-weights`, which packs the filters of the rest.
void use_winograd(ir::Module& module, const Target& target);

}  // namespace tenon::passes
