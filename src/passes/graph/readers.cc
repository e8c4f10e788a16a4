#include "passes/graph/readers.h"

namespace tenon::passes {

std::vector<std::vector<ir::NodeId>> readers_of(const ir::Module& module) {
  std::vector<std::vector<ir::NodeId>> readers(module.value_count());
  for (ir::NodeId node : module.graph.nodes) {
    for (ir::ValueId input : module.node(node).inputs) {
      if (input) readers[input.index].push_back(node);
    }
  }
  return readers;
}

}  // namespace tenon::passes
