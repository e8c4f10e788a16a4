#include "passes/graph/pack_weights.h"

#include <unordered_set>

#include "ops/op.h"
#include "schedule/recipe.h"

namespace tenon::passes {

using ir::NodeId;
using ir::Op;
using ir::ValueId;

void pack_weights(ir::Module& module, const Target& target) {
  std::unordered_set<NodeId> constant;
  std::vector<NodeId> order;
  for (NodeId id : std::vector<NodeId>(module.graph.nodes)) {
    bool all = true;
    for (ValueId input : module.node(id).inputs)
      all &= !input || constant.contains(module.producer(input));
    if (all) constant.insert(id);

    const ir::Node node = module.node(id);
    const bool heavy = node.op == Op::kMatMul || node.op == Op::kConv;
    const NodeId weight = heavy ? module.producer(node.inputs[1]) : NodeId();
    const bool packs =
        !all && heavy && weight && constant.contains(weight) && !node.attrs.has("packed");
    if (const int width = packs ? schedule::packed_width(module, node, target) : 0; width > 0) {
      const std::vector<ir::Dim> dims = module.value(node.inputs[1]).type.dims;
      const bool conv = node.op == Op::kConv;
      ir::Attrs attrs = {{"width", int64_t{width}}};
      if (conv) attrs.set("groups", node.attrs.integer("groups"));
      const size_t before = module.graph.nodes.size();
      auto packed = ops::add(module, conv ? Op::kPackFilter : Op::kPackMatrix, {node.inputs[1]},
                             attrs, node.origin);
      TENON_CHECK(packed, "weights can be packed");
      module.graph.nodes.resize(before);
      order.push_back(module.producer(*packed));
      constant.insert(order.back());
      ir::Node& user = module.node(id);
      user.inputs[1] = *packed;
      user.attrs.set("packed", int64_t{width});
      user.attrs.set(conv ? "channels" : "columns", conv ? dims[0].value() : dims.back().value());
    }
    order.push_back(id);
  }
  module.graph.nodes = std::move(order);
}

}  // namespace tenon::passes
