#include "passes/graph/split_recurrent.h"

#include "ops/op.h"

namespace tenon::passes {

using ir::NodeId;
using ir::Op;
using ir::ValueId;

void split_recurrent(ir::Module& module) {
  constexpr int kX = 0, kW = 1, kB = 3;
  for (NodeId id : std::vector<NodeId>(module.graph.nodes)) {
    const ir::Node node = module.node(id);
    if (node.op != Op::kLstm && node.op != Op::kGru && node.op != Op::kRnn) continue;
    const ir::TensorType w = module.value(node.inputs[kW]).type;
    // Smaller floats would round the products on their way through memory.
    if (w.rank() != 2 || w.dtype != ir::compute_type(w.dtype)) continue;
    auto add = [&](Op op, std::vector<ValueId> inputs, ir::Attrs attrs) {
      auto made = ops::add(module, op, std::move(inputs), std::move(attrs), node.origin);
      TENON_CHECK(made, "a layer's input product has a shape");
      return *made;
    };
    const ValueId columns =
        add(Op::kTranspose, {node.inputs[kW]}, {{"perm", std::vector<int64_t>{1, 0}}});
    ValueId gates = add(Op::kMatMul, {node.inputs[kX], columns}, {});
    if (node.inputs.size() > kB && node.inputs[kB]) {
      const ValueId bias = add(Op::kSlice, {node.inputs[kB]},
                               {{"starts", std::vector<ir::Dim>{0}},
                                {"steps", std::vector<int64_t>{1}},
                                {"dims", std::vector<ir::Dim>{w.dims[0]}}});
      gates = add(Op::kAdd, {gates, bias}, {});
    }
    module.node(id).inputs[kX] = gates;
    module.node(id).inputs[kW] = gates;
  }
  ir::clean_up(module);
}

}  // namespace tenon::passes
