// Weights are inputs: what depends on them alone is a graph of its own.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: a clean graph. *Gives*: the `prepare` graph as the result: its outputs are the values
/// that depend only on constants and parameters and that the rest reads; in `module` each of them
/// becomes a `parameter` whose data has no bytes yet. *Why here*: after every rewrite that adds
/// work on weights (folding, packing); before `group`, since prepared values have no kernels in the
/// run graph.
struct Prepare {
  ir::Module module;
  std::vector<ir::DataId> results;  ///< in the run module, for each output of the prepare graph
};
Prepare split_prepare(ir::Module& module);

}  // namespace tenon::passes
