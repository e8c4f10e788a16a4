// Helpers that importers of several operator families share.
#pragma once

#include <functional>
#include <vector>

#include "import/axes.h"
#include "import/build.h"
#include "import/onnx/node_context.h"

namespace tenon::import::onnx {

/// kBadModel when the numbers among `dims` are negative or their product is beyond 64 bits.
Result<void> check_extents(const NodeContext& node, const std::vector<ir::Dim>& dims);

/// Runs `body(x, axis)`, an operator along one axis, by the rule of the opset: from version 13 on
/// along the attribute's axis (default -1); before, all axes from it (default 1) on count as one.
Result<void> along_axis(NodeContext& node,
                        const std::function<Emitter::Operand(Emitter::Operand, int64_t)>& body);

/// The convolution that the node's attributes describe.
Emitter::Operand convolution(NodeContext& node, ir::ValueId x, ir::ValueId w, ir::ValueId bias);

}  // namespace tenon::import::onnx
