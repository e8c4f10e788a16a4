#include "passes/graph/update_in_place.h"

#include <algorithm>
#include <unordered_map>

#include "base/contains.h"
#include "ops/op.h"
#include "passes/graph/group.h"

namespace tenon::passes {
namespace {

using ir::Group;
using ir::Module;
using ir::NodeId;
using ir::Placement;
using ir::ValueId;

class Updater {
 public:
  explicit Updater(Module& module) : module_(module) {
    for (size_t i = 0; i < module.groups.size(); ++i) {
      for (ValueId operand : group_operands(module, module.groups[i])) {
        last_use_[storage(operand)] = i;
      }
    }
  }

  void run() {
    for (size_t i = 0; i < module_.groups.size(); ++i) {
      const Group& group = module_.groups[i];
      const ValueId result = group_result(module_, group);
      if (!may_move(result)) continue;
      for (ValueId operand : group_operands(module_, group)) {
        if (!serves(operand, group, result) || last_use_.at(storage(operand)) != i) continue;
        move(result, storage(operand));
        break;
      }
    }
  }

 private:
  ValueId storage(ValueId value) const { return module_.placements[value.index].storage; }

  bool is_output(ValueId value) const { return contains(module_.graph.outputs, value); }

  bool may_move(ValueId result) const {
    return storage(result) == result && !is_output(result) && last_use_.contains(result);
  }

  bool serves(ValueId operand, const Group& group, ValueId result) const {
    const ValueId owner = storage(operand);
    if (!owner || !is_temporary(owner)) return false;
    const Placement &from = module_.placements[operand.index],
                    &to = module_.placements[result.index],
                    &memory = module_.placements[owner.index];
    if (module_.value(operand).type != module_.value(result).type ||
        module_.value(owner).type.dtype != module_.value(result).type.dtype ||
        from.offset != to.offset || from.strides != to.strides || memory.size != to.size ||
        memory.halo != to.halo) {
      return false;
    }
    return is_read_elementwise(operand, group) &&
           std::ranges::count(group_operands(module_, group), owner,
                              [&](ValueId other) { return storage(other); }) == 1;
  }

  /// Memory that a kernel of the run writes and the caller never sees.
  bool is_temporary(ValueId owner) const {
    const NodeId producer = module_.producer(owner);
    return producer && !ops::operator_of(module_.node(producer).op).traits.leaf &&
           !is_output(owner);
  }

  /// Whether only elementwise nodes of the group read the operand, each element where that of the
  /// result is written: not those before the anchor.
  bool is_read_elementwise(ValueId operand, const Group& group) const {
    const Group producer = producer_of(module_, group);
    return std::ranges::all_of(group.nodes, [&](NodeId node) {
      return !contains(module_.node(node).inputs, operand) ||
             (ops::operator_of(module_.node(node).op).traits.elementwise &&
              !contains(producer.nodes, node));
    });
  }

  /// Everything that lies in `from` lies in `to` from now on.
  void move(ValueId from, ValueId to) {
    for (Placement& placement : module_.placements) {
      if (placement.storage == from) placement.storage = to;
    }
    module_.placements[from.index].size = 0;
    last_use_[to] = last_use_.at(from);
  }

  Module& module_;
  std::unordered_map<ValueId, size_t> last_use_;  ///< of a storage: the last group that reads it
};

}  // namespace

void update_in_place(Module& module) { Updater(module).run(); }

}  // namespace tenon::passes
