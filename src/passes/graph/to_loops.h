// From groups to kernels.
#pragma once

#include <string>
#include <vector>

#include "base/target.h"
#include "ir/graph.h"
#include "ir/loop.h"

namespace tenon::passes {

/// A loop function with what it is called on.
struct Kernel {
  ir::Function function;
  std::vector<ir::ValueId> buffers;  ///< the storage owner behind each argument buffer
  std::vector<ir::Dim> params;       ///< the value of each parameter
  std::vector<ir::NodeId> nodes;     ///< what it computes
  /// Code that is called in the place of the function, which is empty then: "symbol@library".
  std::string foreign;
  ir::Dim flops = 0, bytes = 0;  ///< work of one call, for profiles and the choice of threads
};

/// *Needs*: `module.groups` and `module.placements`. *Gives*: kernels in execution order, a
/// function each: a recipe's loops or the operator's naive ones, with the group's elementwise nodes
/// inlined where results are stored; the first kernel that writes a storage with a halo also zeroes
/// that. A symbolic dim becomes a parameter. *Why here*: the border between the two languages;
/// nothing after it knows operators.
std::vector<Kernel> to_loops(ir::Module& module, const Target& target);

}  // namespace tenon::passes
