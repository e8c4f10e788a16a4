// Arithmetic on elements that are sizes: what an operator makes of whole numbers that may depend on
// the model's symbols. Symbols are taken to be at least 1, but sizes that data decides at least 0.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace tenon::import {

struct KnownTensor {
  ir::TensorType type;  ///< static
  std::vector<ir::Dim> elements;
};

/// Whether a >= b for all sizes.
bool at_least(ir::Dims& dims, ir::Dim a, ir::Dim b);
/// min(a, b) and max(a, b), simplified where one is never the smaller.
ir::Dim smaller(ir::Dims& dims, ir::Dim a, ir::Dim b);
ir::Dim larger(ir::Dims& dims, ir::Dim a, ir::Dim b);

/// The elements of the one result of type `result`, or nothing when the operator is not one of
/// shape arithmetic or its result is no expression over sizes.
std::optional<std::vector<ir::Dim>> known_result(ir::Dims& dims, ir::Op op, const ir::Attrs& attrs,
                                                 std::span<const KnownTensor> operands,
                                                 const ir::TensorType& result);

}  // namespace tenon::import
