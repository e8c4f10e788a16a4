#include "passes/rules/rewrite.h"

#include <algorithm>

namespace tenon::passes {

using ir::NodeId;
using ir::ValueId;

RuleSet::RuleSet(std::span<const Rule> rules) {
  for (const Rule& rule : rules) {
    Parsed parsed{parse_pattern(rule.from), parse_pattern(rule.to), rule.when};
    TENON_CHECK(parsed.from.kind == Pattern::Kind::kNode, "a rule that starts at a node");
    by_op_[parsed.from.op].push_back(std::move(parsed));
  }
}

std::span<const RuleSet::Parsed> RuleSet::of(ir::Op op) const {
  const auto found = by_op_.find(op);
  return found == by_op_.end() ? std::span<const Parsed>() : found->second;
}

namespace {

class Sweep {
 public:
  Sweep(ir::Module& module, const RuleSet& rules, const RewriteOptions& options)
      : module_(module), rules_(rules), options_(options), uses_(ir::use_counts(module)) {}

  size_t run() {
    size_t count = 0;
    for (NodeId id : std::vector(module_.graph.nodes)) count += rewrite(id);
    if (count > 0) ir::clean_up(module_);
    return count;
  }

 private:
  bool rewrite(NodeId id) {
    if (module_.node(id).outputs.size() != 1) return false;
    const ValueId old = module_.node(id).outputs[0];
    if (uses_[old.index] == 0) return false;
    for (const RuleSet::Parsed& rule : rules_.of(module_.node(id).op)) {
      for (Match& match : find_matches(rule.from, module_, id)) {
        if (options_.whole && !is_whole(match)) continue;
        if (rule.when && !rule.when(match)) continue;
        if (replace(old, rule.to, match)) return true;
      }
    }
    return false;
  }

  bool is_whole(const Match& match) const {
    return std::all_of(match.nodes().begin() + 1, match.nodes().end(), [&](NodeId inner) {
      const ValueId value = module_.node(inner).outputs[0];
      std::vector<NodeId> nodes = match.nodes();
      std::ranges::sort(nodes);
      nodes.erase(std::ranges::unique(nodes).begin(), nodes.end());
      size_t reads = 0;
      for (NodeId node : nodes) {
        reads += static_cast<size_t>(std::ranges::count(module_.node(node).inputs, value));
      }
      return reads == uses_[value.index];
    });
  }

  bool replace(ValueId old, const Pattern& replacement, const Match& match) {
    const size_t before = module_.graph.nodes.size();
    const std::optional<ValueId> made = build(replacement, match);
    if (!made || *made == old || module_.value(*made).type != module_.value(old).type) {
      module_.graph.nodes.resize(before);
      return false;
    }
    uses_.resize(module_.value_count());
    for (size_t i = before; i < module_.graph.nodes.size(); ++i) {
      for (ValueId input : module_.node(module_.graph.nodes[i]).inputs) {
        if (input) ++uses_[input.index];
      }
    }
    if (module_.graph.nodes.size() > before) module_.value(*made).name = module_.value(old).name;
    uses_[made->index] += std::exchange(uses_[old.index], 0);
    ir::replace_uses(module_, old, *made);
    return true;
  }

  ir::Module& module_;
  const RuleSet& rules_;
  const RewriteOptions& options_;
  std::vector<uint32_t> uses_;
};

}  // namespace

size_t rewrite(ir::Module& module, const RuleSet& rules, const RewriteOptions& options) {
  size_t total = 0;
  // Each sweep brings at least one rule to bear; a table that goes in circles shows here.
  const size_t most = 100 + 10 * module.graph.nodes.size();
  while (const size_t count = Sweep(module, rules, options).run()) {
    total += count;
    TENON_CHECK(total <= most, "rules that come to an end");
  }
  return total;
}

}  // namespace tenon::passes
