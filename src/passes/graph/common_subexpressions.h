// What is computed twice is computed once.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: any graph. *Gives*: no two nodes with the same operator, attributes and operands (in
/// either order where the operator does not care); constants with equal elements are one,
/// parameters only where they are one in the file, since their values may be exchanged later.
/// *Why here*: before rules and recognition, which know an operand that is read twice by its id.
void common_subexpressions(ir::Module& module);

}  // namespace tenon::passes
