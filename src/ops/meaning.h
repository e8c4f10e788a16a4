// The meaning of an elementwise operator: the scalar expression of its row in elementwise.def, or
// of a formula's definition, as `ir::parse_expression` reads it.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "ir/graph.h"
#include "ir/loop_builder.h"

namespace tenon::ops {

/// The expression of an elementwise row over operands given in their compute types, which must fit
/// it; the result is in its compute type.
ir::E build_meaning(ir::Op op, ir::LoopBuilder& builder, std::span<const ir::E> operands,
                    const ir::Attrs& attrs);

/// The dtype of an elementwise row's result, or why operands of these dtypes do not work.
std::expected<ir::DType, std::string> result_dtype(ir::Op op, std::span<const ir::DType> operands,
                                                   const ir::Attrs& attrs);

}  // namespace tenon::ops
