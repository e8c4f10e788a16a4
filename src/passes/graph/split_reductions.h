// Reductions of large maps to a few channels in two steps.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: packed weights (`pack_weights`). *Gives*: a reduction over all positions of a large map
/// that lies channels last, such as the mean of squeeze and excitation, is one over parts of the
/// outermost spatial axis and one over the parts. Channels alone are too few tasks for threads; and
/// a thread takes the rows that it has made. *Why here*: after `pack_weights`, from when on it is
/// known which results lie channels last; before `group`.
void split_reductions(ir::Module& module, const Target& target);

}  // namespace tenon::passes
