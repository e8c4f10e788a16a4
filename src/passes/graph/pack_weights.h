// Weights in the order in which kernels read them.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: a clean graph. *Gives*: matrix multiplications and convolutions, transposed ones too,
/// whose second operand depends on constants only read it through `pack_matrix` or `pack_filter`,
/// with the panel width that their recipe wants. *Why here*: after every rewrite that matches plain
/// weights; before `split-prepare`, which makes the packing constant work.
void pack_weights(ir::Module& module, const Target& target);

}  // namespace tenon::passes
