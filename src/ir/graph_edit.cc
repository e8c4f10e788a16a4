#include <algorithm>
#include <iterator>
#include <utility>

#include "ir/graph.h"

namespace tenon::ir {
namespace {

/// The nodes that the graph's outputs depend on.
std::vector<bool> live_nodes(const Module& module) {
  std::vector<bool> live(module.node_count());
  std::vector<NodeId> pending;
  const auto read = [&](ValueId value) {
    if (!value) return;
    const NodeId producer = module.producer(value);
    if (!producer || live[producer.index]) return;
    live[producer.index] = true;
    pending.push_back(producer);
  };
  std::ranges::for_each(module.graph.outputs, read);
  while (!pending.empty()) {
    const NodeId node = pending.back();
    pending.pop_back();
    std::ranges::for_each(module.node(node).inputs, read);
    std::ranges::for_each(module.sizes_of(node), read);
  }
  return live;
}

/// Appends nodes to a list, each after its producers. Keeps its own stack: graphs are deep.
class Sorter {
 public:
  explicit Sorter(const Module& module) : module_(module), state_(module.node_count()) {}

  void place(NodeId root) {
    open(root);
    while (!stack_.empty()) {
      auto& [node, pending] = stack_.back();
      if (!pending.empty()) {
        const ValueId value = pending.back();
        pending.pop_back();
        if (value && module_.producer(value)) open(module_.producer(value));
      } else {
        state_[node.index] = State::kPlaced;
        order_.push_back(node);
        stack_.pop_back();
      }
    }
  }

  std::vector<NodeId> take_order() { return std::move(order_); }

 private:
  enum class State : uint8_t { kNew, kOpen, kPlaced };

  void open(NodeId node) {
    State& state = state_[node.index];
    TENON_CHECK(state != State::kOpen, "a graph without cycles");
    if (state == State::kPlaced) return;
    state = State::kOpen;
    std::vector<ValueId> values = module_.sizes_of(node);
    std::ranges::reverse_copy(module_.node(node).inputs, std::back_inserter(values));
    stack_.emplace_back(node, std::move(values));
  }

  const Module& module_;
  std::vector<State> state_;
  std::vector<std::pair<NodeId, std::vector<ValueId>>> stack_;  // a node, what comes before it
  std::vector<NodeId> order_;
};

}  // namespace

std::vector<uint32_t> use_counts(const Module& module) {
  std::vector<uint32_t> counts(module.value_count());
  for (NodeId node : module.graph.nodes) {
    for (ValueId input : module.node(node).inputs) {
      if (input) ++counts[input.index];
    }
  }
  for (const ReadSize& read : module.read_sizes) ++counts[read.value.index];
  for (ValueId output : module.graph.outputs) ++counts[output.index];
  return counts;
}

void replace_uses(Module& module, ValueId from, ValueId to) {
  for (NodeId node : module.graph.nodes) std::ranges::replace(module.node(node).inputs, from, to);
  std::ranges::replace(module.graph.outputs, from, to);
  for (ReadSize& read : module.read_sizes) {
    if (read.value == from) read.value = to;
  }
}

void clean_up(Module& module) {
  const std::vector<bool> live = live_nodes(module);
  std::erase_if(module.read_sizes, [&](const ReadSize& read) {
    const NodeId producer = module.producer(read.value);
    return producer && !live[producer.index];
  });
  Sorter sorter(module);
  for (NodeId node : module.graph.nodes) {
    if (live[node.index]) sorter.place(node);
  }
  for (ValueId output : module.graph.outputs) {
    if (module.producer(output)) sorter.place(module.producer(output));
  }
  module.graph.nodes = sorter.take_order();
}

}  // namespace tenon::ir
