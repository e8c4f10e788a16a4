#include "passes/graph/to_loops.h"

#include <unordered_set>

#include "ops/c_function.h"
#include "ops/cost.h"
#include "ops/op.h"
#include "passes/graph/group.h"
#include "passes/graph/group_scope.h"
#include "passes/graph/place.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::E;
using ir::Module;
using ir::ValueId;

/// A kernel that zeroes what lies around a value in its storage: whole rows before and after along
/// each axis, from the outermost in memory inwards.
Kernel fill_halo(Module& module, ValueId value) {
  const ir::Placement& place = module.placements[value.index];
  const std::vector<Dim>& shape = module.value(value).type.dims;
  const size_t rank = shape.size();
  ir::LoopBuilder b("fill_halo");
  Kernel kernel;
  std::vector<std::pair<Dim, E>> params;
  auto number = [&](Dim dim) {
    if (dim.is_constant()) return b.integer(dim.value());
    for (auto& [known, param] : params) {
      if (known == dim) return param;
    }
    params.emplace_back(dim, b.param("n" + std::to_string(params.size())));
    kernel.params.push_back(dim);
    return params.back().second;
  };
  const ir::DType dtype = module.value(value).type.dtype;
  const ir::BufferId buffer = b.buffer("b0", dtype, ir::BufferKind::kOutput, number(place.size));
  kernel.buffers.push_back(value);
  const std::vector<int> order = memory_order(module.dims, shape, place.strides);

  // Axes inside the innermost one with a halo move with it: they are contiguous.
  size_t last = 0;
  for (size_t i = 0; i < rank; ++i) {
    if (place.halo[order[i]] + place.halo[rank + order[i]] > 0) last = i;
  }
  b.tasks(b.integer(1));
  auto zero = [&](E begin, E length) {
    b.loop(
        "i", begin, begin + length, 1, [&](E i) { b.store(buffer, i, b.literal(0, {dtype, 1})); },
        ir::LoopKind::kVector);
  };
  std::function<void(size_t, E)> walk = [&](size_t depth, E base) {
    const int axis = order[depth];
    const E stride = number(place.strides[axis]);
    const int64_t before = place.halo[axis], after = place.halo[rank + axis];
    const E size = number(shape[axis]);
    if (before > 0) zero(base, stride * before);
    if (depth < last) {
      b.loop("r", b.integer(0), size, 1,
             [&](E r) { walk(depth + 1, base + (r + before) * stride); });
    }
    if (after > 0) zero(base + (size + before) * stride, stride * after);
  };
  walk(0, b.integer(0));
  kernel.function = b.finish();
  return kernel;
}

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

Kernel loops_of(Module& module, const ir::Group& group, const Target& target) {
  GroupScope scope(module, group, target);
  if (!group.anchor) {
    scope.elementwise_loops();
  } else if (const auto* recipe =
                 schedule::find_recipe(module, module.node(group.anchor), target)) {
    recipe->loops(scope);
  } else {
    ops::operator_of(module.node(group.anchor).op).to_loops(scope);
  }
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
  std::unordered_set<ValueId> filled;
  for (const ir::Group& group : module.groups) {
    for (ir::NodeId node : group.nodes) {
      for (ValueId output : module.node(node).outputs) {
        const ValueId storage = module.placements[output.index].storage;
        if (storage && !module.placements[storage.index].halo.empty() &&
            filled.insert(storage).second) {
          kernels.push_back(fill_halo(module, storage));
        }
      }
    }
    const bool foreign =
        group.anchor && ops::operator_of(module.node(group.anchor).op).traits.foreign;
    kernels.push_back(foreign ? foreign_kernel(module, group) : loops_of(module, group, target));
    kernels.back().bytes = traffic(module, group);
    for (ir::NodeId node : group.nodes) {
      kernels.back().flops =
          module.dims.add(kernels.back().flops, ops::flops(module, module.node(node)));
    }
  }
  return kernels;
}

}  // namespace tenon::passes
