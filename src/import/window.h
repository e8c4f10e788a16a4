// The windows of convolutions and pools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace tenon::import {

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

}  // namespace tenon::import
