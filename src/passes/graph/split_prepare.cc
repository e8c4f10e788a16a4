#include "passes/graph/split_prepare.h"

#include <algorithm>
#include <unordered_set>

#include "base/contains.h"
#include "ops/op.h"

namespace tenon::passes {

using ir::NodeId;
using ir::ValueId;

Prepare split_prepare(ir::Module& module) {
  std::unordered_set<NodeId> constant;  // depends on leaves only
  std::vector<ValueId> boundary;        // made there, by a node that computes, and read by the rest
  auto is_computed = [&](ValueId value) {
    const NodeId producer = module.producer(value);
    return producer && constant.contains(producer) &&
           !ops::operator_of(module.node(producer).op).traits.leaf;
  };
  auto add_boundary = [&](ValueId value) {
    if (!contains(boundary, value)) boundary.push_back(value);
  };
  for (NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    bool all = true;
    for (ValueId input : node.inputs) all &= !input || constant.contains(module.producer(input));
    for (const auto& [name, attribute] : node.attrs) {
      if (const auto* dims = std::get_if<std::vector<ir::Dim>>(&attribute)) {
        for (ir::Dim dim : *dims) all &= dim.is_constant();
      }
    }
    for (ValueId output : node.outputs) all &= module.value(output).type.is_static();
    if (all) {
      constant.insert(id);
      continue;
    }
    for (ValueId input : node.inputs) {
      if (input && is_computed(input)) add_boundary(input);
    }
  }
  for (ValueId output : module.graph.outputs) {
    if (is_computed(output)) add_boundary(output);
  }
  for (const ir::ReadSize& read : module.read_sizes) {
    if (is_computed(read.value)) add_boundary(read.value);
  }

  Prepare prepare;
  prepare.module = module;
  prepare.module.graph.inputs.clear();
  prepare.module.graph.outputs.clear();
  prepare.module.graph.output_names.clear();
  prepare.module.read_sizes.clear();
  for (ValueId value : boundary) {
    prepare.module.graph.outputs.push_back(value);
    prepare.module.graph.output_names.push_back(module.value(value).name);
    const ir::DataId data =
        module.add_data({module.value(value).type, {}, module.value(value).name});
    prepare.results.push_back(data);
    const NodeId leaf =
        module.make_node(ir::Op::kParameter, {}, {{"data", data}}, {module.value(value).type},
                         module.node(module.producer(value)).origin);
    module.graph.nodes.insert(module.graph.nodes.begin(), leaf);
    ir::replace_uses(module, value, module.node(leaf).outputs[0]);
  }
  ir::clean_up(prepare.module);
  ir::clean_up(module);
  return prepare;
}

}  // namespace tenon::passes
