// Resizing as a product with a constant matrix along each axis, for the rules that the operator
// `resize` has not: filters that widen as the image shrinks, and crops.
#pragma once

#include <string>
#include <vector>

#include "import/onnx/node_context.h"

namespace tenon::import::onnx {

/// One axis that is resized, sizes as numbers.
struct ResampledAxis {
  int64_t axis;
  int64_t from, to;
  double scale;
  /// Where the crop begins and ends, as shares of the axis; the whole axis where there is no crop.
  double begin = 0, end = 1;
};

struct Resampling {
  std::string mode = "linear";  ///< nearest, linear or cubic
  std::string coordinates = "half_pixel";
  double cubic = -0.75;
  bool exclude_outside = false;
  bool antialias = false;
  double extrapolation = 0;  ///< what a crop has outside the image
};

/// x resized along these axes.
Emitter::Operand resample(NodeContext& node, ir::ValueId x, const std::vector<ResampledAxis>& axes,
                          const Resampling& rule);

}  // namespace tenon::import::onnx
