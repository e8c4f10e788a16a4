#include "passes/graph/pack_weights.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

#include "ops/op.h"
#include "schedule/recipe.h"

namespace tenon::passes {

using ir::NodeId;
using ir::Op;
using ir::ValueId;

namespace {

bool is_recurrent(Op op) { return op == Op::kLstm || op == Op::kGru || op == Op::kRnn; }

/// The operand that the recipe of a node reads packed; -1: none.
int weight_operand(const ir::Node& node) {
  if (node.op == Op::kMatMul || node.op == Op::kConv || node.op == Op::kConvTranspose) return 1;
  return is_recurrent(node.op) ? 2 : -1;
}

bool is_packed(const ir::Module& module, const ir::Node& node) {
  return is_recurrent(node.op) ? module.value(node.inputs[2]).type.rank() == 4
                               : node.attrs.has("packed");
}

using Add = std::function<ValueId(Op, ValueId, ir::Attrs)>;

/// The filter of a transposed convolution as a matrix for each group and tap. Taps of zeros fill
/// its kernel up to whole strides; what they add to the result's end is cropped.
ValueId filter_matrices(ir::Module& module, NodeId id, const Add& add) {
  const ir::Node node = module.node(id);
  ValueId filter = node.inputs[1];
  std::vector<ir::Dim> dims = module.value(filter).type.dims;
  const auto& strides = node.attrs.integers("strides");
  std::vector<int64_t> pads = node.attrs.integers("pads");
  std::vector<ir::Dim> before(dims.size(), 0), after(dims.size(), 0);
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    const int64_t more = -dims[2 + axis].value() % strides[axis];
    const int64_t fill = more < 0 ? more + strides[axis] : more;
    after[2 + axis] = fill;
    pads[strides.size() + axis] += fill;
    dims[2 + axis] = dims[2 + axis].value() + fill;
  }
  filter = add(Op::kPad, filter, {{"before", before}, {"after", after}, {"mode", "constant"}});
  const int64_t groups = node.attrs.integer("groups");
  dims[0] = dims[0].value() / groups;
  dims.insert(dims.begin(), groups);
  filter = add(Op::kReshape, filter, {{"dims", dims}});
  std::vector<int64_t> order = {0};
  for (size_t axis = 3; axis < dims.size(); ++axis) order.push_back(static_cast<int64_t>(axis));
  order.insert(order.end(), {1, 2});
  module.node(id).attrs.set("pads", pads);
  return add(Op::kTranspose, filter, {{"perm", order}});
}

/// The matrices whose transposes these are; none: they are not made by a transposition.
ValueId transpose_of(const ir::Module& module, ValueId matrices) {
  const ir::Node& node = module.node(module.producer(matrices));
  if (node.op != Op::kTranspose) return {};
  std::vector<int64_t> perm = node.attrs.integers("perm");
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return std::ranges::is_sorted(perm) ? node.inputs[0] : ValueId();
}

/// Puts the packing before the node, as new nodes at the end of the graph.
void pack(ir::Module& module, NodeId id, schedule::Packing packing) {
  const ir::Node node = module.node(id);
  const int64_t width = packing.width;
  const int operand = weight_operand(node);
  const Add add = [&](Op op, ValueId value, ir::Attrs attrs) {
    auto made = ops::add(module, op, {value}, std::move(attrs), node.origin);
    TENON_CHECK(made, "weights can be packed");
    return *made;
  };
  const ValueId weight = node.inputs[operand];
  const std::vector<ir::Dim> dims = module.value(weight).type.dims;
  ValueId packed;
  if (is_recurrent(node.op)) {
    // One matrix per gate, h times units.
    const int64_t hidden = node.attrs.integer("hidden");
    const std::vector<ir::Dim> by_gate = {dims[0].value() / hidden, hidden, hidden};
    const ValueId gates = add(Op::kReshape, weight, {{"dims", by_gate}});
    packed = add(Op::kPackMatrix, gates, {{"width", width}, {"transposed", true}});
  } else if (node.op == Op::kConv) {
    ir::Attrs attrs = {{"width", width}, {"groups", node.attrs.integer("groups")}};
    if (packing.diagonal) attrs.set("diagonal", true);
    packed = add(Op::kPackFilter, weight, std::move(attrs));
    module.node(id).attrs.set("channels", dims[0].value());
  } else if (node.op == Op::kConvTranspose) {
    packed = add(Op::kPackMatrix, filter_matrices(module, id, add), {{"width", width}});
    module.node(id).attrs.set("channels", dims[1].value() * node.attrs.integer("groups"));
  } else {
    const ValueId transposed = transpose_of(module, weight);
    ir::Attrs attrs = {{"width", width}};
    if (transposed) attrs.set("transposed", true);
    packed = add(Op::kPackMatrix, transposed ? transposed : weight, std::move(attrs));
    module.node(id).attrs.set("columns", dims.back().value());
  }
  if (!is_recurrent(node.op)) module.node(id).attrs.set("packed", width);
  module.node(id).inputs[operand] = packed;
}

}  // namespace

void pack_weights(ir::Module& module, const Target& target) {
  std::unordered_set<NodeId> constant;
  std::vector<NodeId> order;
  for (NodeId id : std::vector<NodeId>(module.graph.nodes)) {
    bool all = true;
    for (ValueId input : module.node(id).inputs)
      all &= !input || constant.contains(module.producer(input));
    if (all) constant.insert(id);

    const ir::Node node = module.node(id);
    const int operand = weight_operand(node);
    const NodeId weight = operand >= 0 ? module.producer(node.inputs[operand]) : NodeId();
    const bool packs = !all && weight && constant.contains(weight) && !is_packed(module, node);
    const auto packing =
        packs ? schedule::choose_packing(module, node, target) : schedule::Packing();
    if (packing.width > 0) {
      const size_t before = module.graph.nodes.size();
      pack(module, id, packing);
      for (size_t i = before; i < module.graph.nodes.size(); ++i) {
        order.push_back(module.graph.nodes[i]);
        constant.insert(order.back());
      }
      module.graph.nodes.resize(before);
    }
    order.push_back(id);
  }
  module.graph.nodes = std::move(order);
}

}  // namespace tenon::passes
