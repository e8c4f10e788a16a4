#include "passes/graph/common_subexpressions.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "ir/graph_text.h"
#include "passes/graph/commutative.h"

namespace tenon::passes {
namespace {

using ir::ValueId;

bool same_data(const ir::Data& a, const ir::Data& b) {
  return a.type == b.type && std::ranges::equal(a.bytes, b.bytes);
}

bool same_attrs(const ir::Module& module, const ir::Node& a, const ir::Node& b) {
  if (a.op != ir::Op::kConstant) return a.attrs == b.attrs;
  return same_data(module.data(a.attrs.data("data")), module.data(b.attrs.data("data")));
}

}  // namespace

void common_subexpressions(ir::Module& module) {
  using Key = std::tuple<ir::Op, std::vector<ValueId>, std::string>;
  std::map<Key, std::vector<ir::NodeId>> known;
  for (ir::NodeId id : std::vector(module.graph.nodes)) {
    const ir::Node node = module.node(id);
    Key key{node.op, node.inputs, {}};
    if (is_commutative(node.op)) std::ranges::sort(std::get<1>(key));
    if (node.op == ir::Op::kConstant) {
      std::get<2>(key) = ir::data_hash(module.data(node.attrs.data("data")));
    }
    std::vector<ir::NodeId>& alike = known[key];
    const auto same = std::ranges::find_if(
        alike, [&](ir::NodeId other) { return same_attrs(module, module.node(other), node); });
    if (same == alike.end()) {
      alike.push_back(id);
      continue;
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      ir::replace_uses(module, node.outputs[k], module.node(*same).outputs[k]);
    }
  }
  ir::clean_up(module);
}

}  // namespace tenon::passes
