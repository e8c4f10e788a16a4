// Which nodes read which values.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tenon::passes {

/// By value, the nodes of the graph that read it, in order; one that reads it twice stands twice.
std::vector<std::vector<ir::NodeId>> readers_of(const ir::Module& module);

}  // namespace tenon::passes
