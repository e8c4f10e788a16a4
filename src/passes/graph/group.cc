#include "passes/graph/group.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/contains.h"
#include "ops/op.h"
#include "passes/graph/readers.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using ir::Module;
using ir::NodeId;
using ir::ValueId;

bool is_elementwise(const Module& module, NodeId node) {
  return ops::operator_of(module.node(node).op).traits.elementwise;
}

bool has_no_kernel(const Module& module, NodeId node) {
  const ops::Traits& traits = ops::operator_of(module.node(node).op).traits;
  return traits.leaf || traits.view || module.node(node).op == ir::Op::kConcat;
}

/// Whether a pool's windows stand side by side from the first element on, each a whole one.
bool stands_side_by_side(const ir::Node& pool) {
  const ir::Attrs& attrs = pool.attrs;
  const auto all_are = [](const std::vector<int64_t>& list, int64_t number) {
    return std::ranges::count(list, number) == std::ssize(list);
  };
  return attrs.integers("kernel") == attrs.integers("strides") &&
         all_are(attrs.integers("pads"), 0) && all_are(attrs.integers("dilations"), 1) &&
         !attrs.flag("ceil");
}

class Grouper {
 public:
  Grouper(Module& module, const Target& target, const GroupOptions& options)
      : module_(module), target_(target), options_(options), readers_(readers_of(module)) {
    for (ValueId output : module.graph.outputs) is_output_.insert(output);
    for (const ir::ReadSize& read : module.read_sizes) is_output_.insert(read.value);
    for (size_t i = 0; i < module.graph.nodes.size(); ++i) position_[module.graph.nodes[i]] = i;
  }

  void run() {
    // Anchors first: an elementwise node between two of them is the epilogue of the one before.
    for (NodeId node : module_.graph.nodes) {
      if (!has_no_kernel(module_, node) && !is_elementwise(module_, node) && !taken_.contains(node))
        start(node, node);
    }
    for (NodeId node : module_.graph.nodes) {
      if (is_elementwise(module_, node) && !taken_.contains(node)) start(node, NodeId());
    }
    // A group runs where its last node stands: there all its operands exist.
    std::ranges::sort(groups_, {},
                      [&](const ir::Group& g) { return position_.at(g.nodes.back()); });
    module_.groups = std::move(groups_);
  }

 private:
  void start(NodeId first, NodeId anchor) {
    std::vector<NodeId> nodes = {first};
    taken_.insert(first);
    const bool foreign = ops::operator_of(module_.node(first).op).traits.foreign;
    if (anchor) take_pool(nodes);
    if (options_.fuse_epilogues && module_.node(first).outputs.size() == 1 && !foreign) {
      extend(nodes);
    }
    if (options_.fuse_producers && anchor) take_group(nodes, anchor);
    if (options_.fuse_producers && !anchor) take_producers(nodes);
    std::ranges::sort(nodes, {}, [&](NodeId n) { return position_.at(n); });
    groups_.push_back({std::move(nodes), anchor});
  }

  /// The max pool that alone reads the result of a node whose recipe can take it along.
  void take_pool(std::vector<NodeId>& nodes) {
    const ir::Node& node = module_.node(nodes.front());
    if (node.outputs.size() != 1 || is_output_.contains(node.outputs[0])) return;
    const std::vector<NodeId>& readers = readers_[node.outputs[0].index];
    if (readers.size() != 1 || taken_.contains(readers[0])) return;
    const ir::Node& pool = module_.node(readers[0]);
    if (pool.op != ir::Op::kMaxPool || !stands_side_by_side(pool)) return;
    const schedule::Recipe* recipe = schedule::find_recipe(module_, node, target_);
    if (!recipe || !recipe->pools ||
        !recipe->pools(module_, node, target_, pool.attrs.integers("kernel")))
      return;
    nodes.push_back(readers[0]);
    taken_.insert(readers[0]);
  }

  /// The group that makes the anchor's first operand for it alone, where the anchor's recipe should
  /// compute both.
  void take_group(std::vector<NodeId>& nodes, NodeId anchor) {
    const ir::Node& node = module_.node(anchor);
    if (node.inputs.empty() || !node.inputs[0]) return;
    const ValueId made = node.inputs[0];
    const schedule::Recipe* recipe = schedule::find_recipe(module_, node, target_);
    if (!recipe || !recipe->takes_producer || is_output_.contains(made) ||
        readers_[made.index] != std::vector<NodeId>{anchor})
      return;
    const auto group = std::ranges::find_if(groups_, [&](const ir::Group& g) {
      return g.anchor && module_.producer(made) == g.nodes.back();
    });
    if (group == groups_.end() || pool_of(module_, *group) ||
        nodes.size() + group->nodes.size() > options_.most_nodes ||
        !recipe->takes_producer(module_, node, module_.node(group->anchor), target_))
      return;
    nodes.insert(nodes.end(), group->nodes.begin(), group->nodes.end());
    groups_.erase(group);
  }

  /// Grows the group forward as long as just one value leaves it.
  void extend(std::vector<NodeId>& nodes) {
    ValueId result = module_.node(nodes.back()).outputs[0];
    while (nodes.size() < options_.most_nodes && !is_output_.contains(result)) {
      std::vector<NodeId> more = next_region(result, options_.most_nodes - nodes.size());
      if (more.empty()) return;
      for (NodeId node : more) taken_.insert(node);
      nodes.insert(nodes.end(), more.begin(), more.end());
      result = module_.node(more.back()).outputs[0];
    }
  }

  /// The smallest set of elementwise nodes that reads `result`, all of it, and that just one value
  /// leaves: one node, or the branches of a diamond with the node that joins them (last). Empty
  /// when there is none.
  std::vector<NodeId> next_region(ValueId result, size_t limit) {
    const auto& dims = module_.value(result).type.dims;
    std::vector<NodeId> region;
    std::vector<NodeId> candidates = readers_[result.index];
    while (!candidates.empty()) {
      auto first =
          std::ranges::min_element(candidates, {}, [&](NodeId n) { return position_.at(n); });
      NodeId node = *first;
      std::erase(candidates, node);
      if (!is_elementwise(module_, node) || taken_.contains(node)) return {};
      ValueId value = module_.node(node).outputs[0];
      if (module_.value(value).type.dims != dims || region.size() == limit) return {};
      region.push_back(node);
      if (candidates.empty() && closes(region, result)) return region;
      if (is_output_.contains(value)) return {};
      for (NodeId reader : readers_[value.index]) {
        if (!contains(region, reader) && !contains(candidates, reader)) {
          candidates.push_back(reader);
        }
      }
    }
    return {};
  }

  /// Whether every reader of `result` and of the region's values but the last is in the region, and
  /// no operand of the region from outside depends on `result` (its only way out is through the
  /// region, so that cannot be).
  bool closes(const std::vector<NodeId>& region, ValueId result) const {
    auto inside = [&](ValueId value) {
      return !is_output_.contains(value) &&
             std::ranges::all_of(readers_[value.index],
                                 [&](NodeId n) { return contains(region, n); });
    };
    if (!inside(result)) return false;
    return std::all_of(region.begin(), region.end() - 1,
                       [&](NodeId node) { return inside(module_.node(node).outputs[0]); });
  }

  /// Elementwise operands that only this group reads join it, when they have its shape.
  void take_producers(std::vector<NodeId>& nodes) {
    const auto dims = module_.value(module_.node(nodes.back()).outputs[0]).type.dims;
    for (size_t i = 0; i < nodes.size() && nodes.size() < options_.most_nodes; ++i) {
      const std::vector<ValueId> inputs = module_.node(nodes[i]).inputs;
      for (ValueId input : inputs) {
        if (!input || nodes.size() == options_.most_nodes) continue;
        NodeId producer = module_.producer(input);
        if (!producer || taken_.contains(producer) || !is_elementwise(module_, producer)) continue;
        const bool only_here = std::ranges::all_of(readers_[input.index],
                                                   [&](NodeId n) { return contains(nodes, n); });
        if (!only_here || is_output_.contains(input) || module_.value(input).type.dims != dims)
          continue;
        taken_.insert(producer);
        nodes.push_back(producer);
      }
    }
  }

  Module& module_;
  const Target& target_;
  const GroupOptions& options_;
  std::vector<std::vector<NodeId>> readers_;  // by value
  std::unordered_set<ValueId> is_output_;     // or read as a size: it must lie in memory
  std::unordered_map<NodeId, size_t> position_;
  std::unordered_set<NodeId> taken_;
  std::vector<ir::Group> groups_;
};

}  // namespace

void group(Module& module, const Target& target, const GroupOptions& options) {
  Grouper(module, target, options).run();
}

NodeId pool_of(const Module& module, const ir::Group& group) {
  const auto is_pool = [&](NodeId node) {
    return node != group.anchor && module.node(node).op == ir::Op::kMaxPool;
  };
  const auto found = std::ranges::find_if(group.nodes, is_pool);
  return found == group.nodes.end() ? NodeId() : *found;
}

ir::Group producer_of(const Module& module, const ir::Group& group) {
  if (!group.anchor) return {};
  std::vector<NodeId> before = {group.anchor};
  for (size_t i = 0; i < before.size(); ++i) {
    for (ValueId input : module.node(before[i]).inputs) {
      const NodeId node = input ? module.producer(input) : NodeId();
      if (node && contains(group.nodes, node) && !contains(before, node)) before.push_back(node);
    }
  }
  ir::Group part;
  std::ranges::copy_if(group.nodes, std::back_inserter(part.nodes),
                       [&](NodeId node) { return node != group.anchor && contains(before, node); });
  if (!part.nodes.empty()) part.anchor = part.nodes.front();
  return part;
}

ValueId group_result(const Module& module, const ir::Group& group) {
  return module.node(group.nodes.back()).outputs[0];
}

std::vector<ValueId> group_operands(const Module& module, const ir::Group& group) {
  std::unordered_set<ValueId> made;
  for (NodeId node : group.nodes) {
    for (ValueId output : module.node(node).outputs) made.insert(output);
  }
  std::vector<ValueId> operands;
  for (NodeId node : group.nodes) {
    for (ValueId input : module.node(node).inputs) {
      if (input && made.insert(input).second) operands.push_back(input);
    }
  }
  return operands;
}

}  // namespace tenon::passes
