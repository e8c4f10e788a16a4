#include "passes/graph/fold_constants.h"

#include <algorithm>
#include <optional>

#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::passes {
namespace {

using ir::ValueId;
using ops::Tensor;

bool has_open_dims(const ir::Attrs& attrs) {
  return std::ranges::any_of(attrs, [](const auto& entry) {
    const auto* dims = std::get_if<std::vector<ir::Dim>>(&entry.second);
    return dims && !std::ranges::all_of(*dims, &ir::Dim::is_constant);
  });
}

/// The node's results, where it is constant work that is worth doing.
std::optional<std::vector<Tensor>> evaluate(const ir::Module& module, const ir::Node& node,
                                            const FoldOptions& options) {
  const ops::Operator& meaning = ops::operator_of(node.op);
  if (meaning.traits.leaf || has_open_dims(node.attrs)) return std::nullopt;

  size_t read = 0;
  std::vector<Tensor> tensors;
  tensors.reserve(node.inputs.size());
  std::vector<const Tensor*> operands;
  for (ValueId input : node.inputs) {
    const ir::Data* data = input ? module.constant(input) : nullptr;
    if (input && !data) return std::nullopt;
    if (data) {
      read += data->bytes.size();
      tensors.push_back(
          Tensor::borrow(data->type.dtype, ops::numbers_of(data->type.dims), data->bytes));
    }
    operands.push_back(data ? &tensors.back() : nullptr);
  }

  std::vector<ir::TensorType> types;
  size_t made = 0;
  for (ValueId output : node.outputs) {
    types.push_back(module.value(output).type);
    if (!types.back().is_static()) return std::nullopt;
    made += static_cast<size_t>(types.back().element_count()) * ir::size_of(types.back().dtype);
  }
  if (made > std::max(options.bytes, read)) return std::nullopt;

  std::vector<Tensor> results;
  for (const ir::TensorType& type : types) {
    results.emplace_back(type.dtype, ops::numbers_of(type.dims));
  }
  std::vector<Tensor*> targets;
  for (Tensor& result : results) targets.push_back(&result);
  ops::EvaluateContext context{node.attrs, operands, targets};
  if (!meaning.evaluate(context)) return std::nullopt;
  return results;
}

}  // namespace

void fold_constants(ir::Module& module, const FoldOptions& options) {
  // Producers come first, so what one node becomes is seen by its readers.
  for (ir::NodeId id : std::vector(module.graph.nodes)) {
    const ir::Node node = module.node(id);
    const auto results = evaluate(module, node, options);
    if (!results) continue;
    for (size_t k = 0; k < results->size(); ++k) {
      const ValueId constant = ops::add_constant(module, (*results)[k], node.origin);
      module.value(constant).name = module.value(node.outputs[k]).name;
      ir::replace_uses(module, node.outputs[k], constant);
    }
  }
  ir::clean_up(module);
}

}  // namespace tenon::passes
