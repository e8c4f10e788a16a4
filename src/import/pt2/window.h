// Windows as the arguments of ATen operators describe them.
#pragma once

#include <vector>

#include "import/pt2/node_context.h"
#include "import/window.h"

namespace tenon::import::pt2 {

/// kBadModel for sizes out of range.
Result<void> check_window(const NodeContext& node, const Window& window);

/// Operands may lack the batch axis: it is added, and taken off a result again.
Emitter::Operand with_batch(NodeContext& node, ir::ValueId x, size_t spatial_axes);
Emitter::Operand without_batch(NodeContext& node, Emitter::Operand result, ir::ValueId x,
                               size_t spatial_axes);

}  // namespace tenon::import::pt2
