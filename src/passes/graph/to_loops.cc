#include "passes/graph/to_loops.h"

#include <unordered_set>

#include "ops/c_function.h"
#include "ops/cost.h"
#include "ops/op.h"
#include "passes/graph/group.h"
#include "passes/graph/group_scope.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::E;
using ir::Module;
using ir::ValueId;

Kernel foreign_kernel(Module& module, const ir::Group& group) {
  const ir::Node& node = module.node(group.anchor);
  ops::CFunction called = ops::c_function_of(module, node);
  ir::LoopBuilder b(called.symbol);
  Kernel kernel;
  kernel.foreign = called.symbol + "@" + called.library;
  kernel.nodes = group.nodes;
  const auto add = [&](ValueId value, ir::BufferKind kind) {
    b.buffer("b" + std::to_string(kernel.buffers.size()), module.value(value).type.dtype, kind);
    kernel.buffers.push_back(value);
  };
  for (ValueId input : node.inputs) add(input, ir::BufferKind::kInput);
  for (ValueId output : node.outputs) add(output, ir::BufferKind::kOutput);
  for (size_t i = 0; i < called.params.size(); ++i) b.param("p" + std::to_string(i));
  kernel.params = std::move(called.params);
  b.tasks(b.integer(1));
  kernel.function = b.finish();
  return kernel;
}

/// `fresh`: storages with a halo that the group is the first to write.
Kernel loops_of(Module& module, const ir::Group& group, const Target& target,
                std::span<const ValueId> fresh) {
  GroupScope scope(module, group, target);
  if (!group.anchor) {
    scope.elementwise_loops();
  } else if (const auto* recipe =
                 schedule::find_recipe(module, module.node(group.anchor), target)) {
    recipe->loops(scope);
  } else {
    ops::operator_of(module.node(group.anchor).op).to_loops(scope);
  }
  for (ValueId storage : fresh) scope.clear_halo(storage);
  return scope.finish();
}

/// Bytes that a group reads and writes at the least.
Dim traffic(Module& module, const ir::Group& group) {
  Dim bytes = 0;
  auto count = [&](ValueId value) {
    const ir::TensorType& type = module.value(value).type;
    bytes = module.dims.add(
        bytes, module.dims.mul(module.dims.product(type.dims), Dim(ir::size_of(type.dtype))));
  };
  for (ValueId operand : group_operands(module, group)) count(operand);
  count(group_result(module, group));
  return bytes;
}

}  // namespace

std::vector<Kernel> to_loops(Module& module, const Target& target) {
  std::vector<Kernel> kernels;
  std::unordered_set<ValueId> cleared;
  for (const ir::Group& group : module.groups) {
    std::vector<ValueId> fresh;
    for (ir::NodeId node : group.nodes) {
      for (ValueId output : module.node(node).outputs) {
        const ValueId storage = module.placements[output.index].storage;
        if (storage && !module.placements[storage.index].halo.empty() &&
            cleared.insert(storage).second) {
          fresh.push_back(storage);
        }
      }
    }
    const bool foreign =
        group.anchor && ops::operator_of(module.node(group.anchor).op).traits.foreign;
    TENON_CHECK(!foreign || fresh.empty(), "foreign results are dense");
    kernels.push_back(foreign ? foreign_kernel(module, group)
                              : loops_of(module, group, target, fresh));
    kernels.back().bytes = traffic(module, group);
    for (ir::NodeId node : group.nodes) {
      kernels.back().flops =
          module.dims.add(kernels.back().flops, ops::flops(module, module.node(node)));
    }
  }
  return kernels;
}

}  // namespace tenon::passes
