// Operators that the user defines: operands are tensors, attributes numbers, by their names in the
// operator's schema.
#include "import/custom.h"

#include "import/pt2/operators.h"

namespace tenon::import::pt2 {
namespace {

Result<void> import_custom(NodeContext& node, const ops::CustomOperator& custom) {
  if (node.output_count() != custom.outputs.size()) {
    return node.unsupported(fmt::format("{} results; its definition has {}", node.output_count(),
                                        custom.outputs.size()));
  }
  std::vector<Emitter::Operand> operands;
  for (const auto& [name, type] : custom.operands) {
    if (!node.argument(name).get<TensorValue>()) {
      return node.unsupported(fmt::format("argument '{}' is no tensor", name));
    }
    operands.push_back(node.tensor(name));
  }
  std::vector<double> numbers;
  for (const auto& attribute : custom.attributes) numbers.push_back(node.number(attribute.name));
  TENON_TRY(const std::vector<ir::ValueId> results,
            emit_custom(node.emitter(), custom, operands, numbers));
  return node.finish_all(results);
}

}  // namespace

Operator custom_operator(const ops::CustomOperator& custom) {
  std::string signature;
  for (const auto& [name, type] : custom.operands) {
    signature += fmt::format("{}{}", signature.empty() ? "" : ", ", name);
  }
  for (const auto& [name, otherwise] : custom.attributes) {
    signature += otherwise ? fmt::format(", {}={}", name, *otherwise) : ", " + name;
  }
  return {std::move(signature),
          [&custom](NodeContext& node) { return import_custom(node, custom); }};
}

}  // namespace tenon::import::pt2
