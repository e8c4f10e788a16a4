// Windows as the attributes of ONNX operators describe them.
#pragma once

#include <vector>

#include "import/onnx/node_context.h"
#include "import/window.h"

namespace tenon::import::onnx {

/// The window of a node on input `x` whose spatial axes are the last ones. `kernel` is empty where
/// the attribute `kernel_shape` says it. `auto_pad` is resolved, except for the SAME forms.
Result<Window> window_of(NodeContext& node, ir::ValueId x, std::vector<int64_t> kernel);

/// Resolves SAME_UPPER and SAME_LOWER: the result has input / stride positions, rounded up.
Result<void> resolve_same(NodeContext& node, ir::ValueId x, Window& window);

/// Where the maxima of a pool of x with this window lie: their row-major indices in x.
Result<ir::ValueId> places_of_maxima(NodeContext& node, ir::ValueId x, const Window& window,
                                     ir::ValueId maxima);

/// `auto_pad`, "NOTSET" by default.
std::string auto_pad(NodeContext& node);

}  // namespace tenon::import::onnx
