#include "import/custom.h"

#include <algorithm>

namespace tenon::import {

using ir::ValueId;

const ops::CustomOperator* find_custom(const ImportOptions& options, std::string_view name) {
  const auto found = std::ranges::find(options.operators, name, &ops::CustomOperator::name);
  return found == options.operators.end() ? nullptr : &*found;
}

Result<std::vector<ValueId>> emit_custom(Emitter& emitter, const ops::CustomOperator& custom,
                                         const std::vector<Emitter::Operand>& operands,
                                         const std::vector<double>& numbers) {
  const bool is_one = custom.outputs.size() == 1;
  const auto attrs = [&](std::string definition) -> ir::Attrs {
    return {{"definition", std::move(definition)}, {"numbers", numbers}};
  };
  const auto emit = [&]() -> Result<std::vector<ValueId>> {
    if (custom.op == ir::Op::kCFunction && !is_one) {
      return emitter.emit_all(custom.op, operands, attrs(custom.definition));
    }
    std::vector<ValueId> results;
    for (const ops::CustomOperator::Output& output : custom.outputs) {
      const std::string definition = is_one ? custom.definition : custom.with_only(output);
      TENON_TRY(results.emplace_back(), emitter.emit(custom.op, operands, attrs(definition)));
    }
    return results;
  };
  Result<std::vector<ValueId>> made = emit();
  if (!made && made.error().kind == ErrorKind::kBadShape) {
    made.error().kind = ErrorKind::kUnsupported;
  }
  return made;
}

}  // namespace tenon::import
