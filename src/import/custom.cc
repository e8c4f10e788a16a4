#include "import/custom.h"

#include <algorithm>

namespace tenon::import {

const ops::CustomOperator* find_custom(const ImportOptions& options, std::string_view name) {
  const auto found = std::ranges::find(options.operators, name, &ops::CustomOperator::name);
  return found == options.operators.end() ? nullptr : &*found;
}

Emitter::Operand emit_custom(Emitter& emitter, const ops::CustomOperator& custom,
                             std::vector<Emitter::Operand> operands, std::vector<double> numbers) {
  Emitter::Operand made =
      emitter.emit(custom.op, std::move(operands),
                   {{"definition", custom.definition}, {"numbers", std::move(numbers)}});
  if (!made && made.error().kind == ErrorKind::kBadShape) {
    made.error().kind = ErrorKind::kUnsupported;
  }
  return made;
}

}  // namespace tenon::import
