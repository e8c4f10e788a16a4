// Nodes of operators that the user defines.
#pragma once

#include <string_view>
#include <vector>

#include "import/emitter.h"
#include "import/options.h"

namespace tenon::import {

/// The definition of "mine::swoosh", or nullptr.
const ops::CustomOperator* find_custom(const ImportOptions& options, std::string_view name);

/// Emits the operator for operands and attributes in the order of its definition: a C function is
/// one node, expressions are one for each result. kUnsupported, with the reason, where the
/// definition does not take them.
Result<std::vector<ir::ValueId>> emit_custom(Emitter& emitter, const ops::CustomOperator& custom,
                                             const std::vector<Emitter::Operand>& operands,
                                             const std::vector<double>& numbers);

}  // namespace tenon::import
