#include "passes/graph/constant_work.h"

#include <algorithm>

namespace tenon::passes {

ConstantWork::ConstantWork(const ir::Module& module) : module_(module) {
  for (ir::NodeId node : module.graph.nodes) learn(node);
}

bool ConstantWork::contains(ir::ValueId value) const {
  return module_.producer(value) && nodes_.contains(module_.producer(value));
}

void ConstantWork::learn(ir::NodeId id) {
  const ir::Node& node = module_.node(id);
  const bool constant =
      std::ranges::all_of(node.inputs,
                          [&](ir::ValueId input) { return !input || contains(input); }) &&
      std::ranges::all_of(
          node.outputs, [&](ir::ValueId output) { return module_.value(output).type.is_static(); });
  if (constant) nodes_.insert(id);
}

}  // namespace tenon::passes
