// The windows of convolutions and pools.
#pragma once

#include <vector>

#include "import/pt2/node_context.h"

namespace tenon::import::pt2 {

/// One entry per spatial axis; pads are all begins, then all ends.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;

  size_t size() const { return kernel.size(); }
  /// Elements from the first to the last tap along an axis.
  int64_t extent(size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  /// The same amounts at both ends.
  void set_pads(const std::vector<int64_t>& amounts) {
    pads = amounts;
    pads.insert(pads.end(), amounts.begin(), amounts.end());
  }
  ir::Attrs attrs() const {
    return {{"strides", strides}, {"pads", pads}, {"dilations", dilations}};
  }
};

/// kBadModel for sizes out of range.
Result<void> check_window(const NodeContext& node, const Window& window);

/// Operands may lack the batch axis: it is added, and taken off a result again.
Emitter::Operand with_batch(NodeContext& node, ir::ValueId x, size_t spatial_axes);
Emitter::Operand without_batch(NodeContext& node, Emitter::Operand result, ir::ValueId x,
                               size_t spatial_axes);

}  // namespace tenon::import::pt2
