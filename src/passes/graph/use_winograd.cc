#include "passes/graph/use_winograd.h"

#include "ops/op.h"
#include "passes/graph/constant_work.h"
#include "schedule/recipe.h"

namespace tenon::passes {

void use_winograd(ir::Module& module, const Target& target) {
  const ConstantWork constant(module);
  for (ir::NodeId id : std::vector<ir::NodeId>(module.graph.nodes)) {
    const ir::Node node = module.node(id);
    if (node.op != ir::Op::kConv || !constant.contains(node.inputs[1])) continue;
    const auto form = schedule::winograd_form(module, node, target);
    if (!form) continue;
    const int64_t tile = form->tile, width = form->width;
    const auto filter = ops::add(module, ir::Op::kWinogradFilter, {node.inputs[1]},
                                 {{"tile", tile}, {"width", width}}, node.origin);
    TENON_CHECK(filter, "Winograd's algorithm takes this filter");
    ir::Node& winograd = module.node(id);
    winograd.op = ir::Op::kWinogradConv;
    winograd.inputs[1] = *filter;
    winograd.attrs = {{"pads", node.attrs.integers("pads")},
                      {"tile", tile},
                      {"channels", module.value(node.outputs[0]).type.dims[1].value()}};
  }
  ir::clean_up(module);
}

}  // namespace tenon::passes
