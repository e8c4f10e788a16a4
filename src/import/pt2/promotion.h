// PyTorch's rules for operands of different element types.
#pragma once

#include <span>

#include "import/pt2/node_context.h"

namespace tenon::import::pt2 {

/// The type in which operands meet: tensors decide before scalars, scalars before numbers, unless
/// the latter are of a higher category (bool, whole, float).
Result<ir::DType> promoted_type(const NodeContext& node, Emitter& emitter,
                                std::span<const Value> operands);

/// A tensor or a number as a value of this type.
Emitter::Operand as_operand(NodeContext& node, const Value& value, ir::DType dtype);

/// The promoted type of two dtypes of tensors of equal rank in the rules.
ir::DType promote(ir::DType a, ir::DType b);

}  // namespace tenon::import::pt2
