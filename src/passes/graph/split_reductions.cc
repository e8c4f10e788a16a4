#include "passes/graph/split_reductions.h"

#include <numeric>

#include "ops/op.h"
#include "schedule/recipe.h"

namespace tenon::passes {

using ir::Dim;
using ir::NodeId;
using ir::Op;
using ir::ValueId;

namespace {

/// Whether the value lies channels last: a recipe's result, or elementwise work on one.
bool lies_channels_last(const ir::Module& module, ValueId value, const Target& target) {
  for (NodeId producer = module.producer(value); producer; producer = module.producer(value)) {
    const ir::Node& node = module.node(producer);
    if (const schedule::Recipe* recipe = schedule::find_recipe(module, node, target))
      return recipe->channels_last_result;
    if (!ir::info(node.op).elementwise) return false;
    value = node.inputs[0];
  }
  return false;
}

/// Into how many parts the rows of the map are cut; 1: it stays whole.
int64_t parts_of(const ir::TensorType& map) {
  constexpr int64_t kMost = 8, kElements = 1 << 16;
  if (!map.is_static() || map.element_count() < kElements) return 1;
  int64_t parts = kMost;
  while (map.dims[2].value() % parts != 0) --parts;
  return parts;
}

/// How the results of parts are combined.
std::string_view combination(std::string_view kind) {
  return kind == "sum_square" || kind == "l1" ? "sum" : kind;
}

}  // namespace

void split_reductions(ir::Module& module, const Target& target) {
  for (NodeId id : std::vector<NodeId>(module.graph.nodes)) {
    const ir::Node node = module.node(id);
    if (node.op != Op::kReduce) continue;
    const ir::TensorType map = module.value(node.inputs[0]).type;
    std::vector<int64_t> spatial(std::max<size_t>(map.rank(), 2) - 2);
    std::iota(spatial.begin(), spatial.end(), 2);
    if (spatial.empty() || node.attrs.integers("axes") != spatial) continue;
    const int64_t parts = parts_of(map);
    if (parts == 1 || !lies_channels_last(module, node.inputs[0], target)) continue;

    auto add = [&](Op op, ValueId input, ir::Attrs attrs) {
      auto made = ops::add(module, op, {input}, std::move(attrs), node.origin);
      TENON_CHECK(made, "a part of a reduction has a shape");
      return *made;
    };
    std::vector<Dim> dims = map.dims;
    dims[2] = dims[2].value() / parts;
    dims.insert(dims.begin() + 2, parts);
    std::vector<int64_t> order(dims.size()), inner(spatial);
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[1], order[2]);
    for (int64_t& axis : inner) ++axis;
    const std::string kind = node.attrs.text("kind");
    ValueId value = add(Op::kReshape, node.inputs[0], {{"dims", dims}});
    value = add(Op::kTranspose, value, {{"perm", order}});
    value = add(Op::kReduce, value, {{"kind", kind}, {"axes", inner}, {"keep", false}});
    value = add(Op::kReduce, value,
                {{"kind", std::string(combination(kind))},
                 {"axes", std::vector<int64_t>{1}},
                 {"keep", false}});
    if (node.attrs.flag("keep"))
      value = add(Op::kReshape, value, {{"dims", module.value(node.outputs[0]).type.dims}});
    ir::replace_uses(module, node.outputs[0], value);
  }
  ir::clean_up(module);
}

}  // namespace tenon::passes
