// Operators that the user defines: operands are the node's inputs, attributes its attributes,
// results its outputs, of which it may leave out any.
#include "import/custom.h"

#include <fmt/format.h>

#include "import/onnx/operators.h"

namespace tenon::import::onnx {

Result<void> import_custom(NodeContext& node, const ops::CustomOperator& custom) {
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  if (operands.size() != custom.operands.size()) {
    return node.unsupported(fmt::format("{} with {} operands; its definition has {}", custom.name,
                                        operands.size(), custom.operands.size()));
  }
  if (node.output_count() > custom.outputs.size()) {
    return node.unsupported(fmt::format("{} with {} results; its definition has {}", custom.name,
                                        node.output_count(), custom.outputs.size()));
  }
  std::vector<double> numbers;
  for (const auto& [name, otherwise] : custom.attributes) {
    const std::optional<double> number = node.any_number(name);
    if (!number && !otherwise) {
      return node.unsupported(fmt::format("{} without attribute '{}'", custom.name, name));
    }
    numbers.push_back(number.value_or(otherwise.value_or(0)));
  }
  TENON_TRY(const std::vector<ir::ValueId> results,
            emit_custom(node.emitter(), custom, operands, numbers));
  for (size_t i = 0; i < node.output_count(); ++i) node.set_output(i, results[i]);
  return {};
}

}  // namespace tenon::import::onnx
