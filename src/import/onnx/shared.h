// Helpers that importers of several operator families share.
#pragma once

#include <functional>
#include <vector>

#include "import/onnx/node_context.h"

namespace tenon::import::onnx {

/// kBadModel when the numbers among `dims` are negative or their product is beyond 64 bits.
Result<void> check_extents(const NodeContext& node, const std::vector<ir::Dim>& dims);

/// first, first + 1, ..., rank - 1.
std::vector<int64_t> axes_from(int64_t first, int64_t rank);

/// Runs `body(x, axis)`, an operator along one axis, by the rule of the opset: from version 13 on
/// along the attribute's axis (default -1); before, all axes from it (default 1) on count as one.
Result<void> along_axis(NodeContext& node,
                        const std::function<Emitter::Operand(Emitter::Operand, int64_t)>& body);

/// 0, 1, ..., size - 1 as i64.
Emitter::Operand indices(Emitter& emitter, ir::Dim size);

/// numpy's matmul: vectors are a row or a column, leading axes broadcast.
Emitter::Operand matrix_product(Emitter& emitter, ir::ValueId a, ir::ValueId b);

/// The convolution that the node's attributes describe.
Emitter::Operand convolution(NodeContext& node, ir::ValueId x, ir::ValueId w, ir::ValueId bias);

}  // namespace tenon::import::onnx
