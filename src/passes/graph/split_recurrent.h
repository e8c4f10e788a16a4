// The part of recurrent layers that does not wait for the step before.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: a clean graph. *Gives*: recurrent layers take w x + b for all steps from one matrix
/// multiplication, in place of w. *Why here*: before `pack-weights`, which packs both matrices.
void split_recurrent(ir::Module& module);

}  // namespace tenon::passes
