// Where every value lies in memory.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: `module.groups`. *Gives*: `module.placements` for every value that crosses groups: a
/// storage of its own, channels last and with a halo of zeros where the recipe that reads it asks
/// so, dense and row-major for foreign nodes, or a place in another value's storage (views; parts
/// of a concatenation). Copies are added, each a group of its own, where no placement serves. Every
/// graph output owns dense row-major memory. Concatenations and views have no kernels after this.
/// *Why here*: after `group`, since values inside a group need no memory; before `to-loops`, which
/// only reads placements.
void place(ir::Module& module, const Target& target);

/// Axes from outermost to innermost in memory, by strides; symbols count as large.
std::vector<int> memory_order(const ir::Dims& dims, const std::vector<ir::Dim>& shape,
                              const std::vector<ir::Dim>& strides);

}  // namespace tenon::passes
