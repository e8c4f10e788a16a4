// Results that take over the memory of an operand that nobody reads any more.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: placements. *Gives*: the result of a group lies in the storage of one of its operands
/// where that is safe: the group is the last to touch that storage, reads it only at the index that
/// it stores to (the operand is one of elementwise nodes, of the result's shape and dtype, and
/// placed just as the result would be), and neither is a graph input, a graph output or a weight.
/// To the kernel the pair is one buffer, read and written. *Why here*: after `place`, which decides
/// layouts; before `to-loops`, which makes one buffer of each storage.
void update_in_place(ir::Module& module);

}  // namespace tenon::passes
