// Reading images between their elements, at coordinates that are data: each of the neighbours of a
// coordinate is gathered, weighted and added.
#pragma once

#include <string>
#include <vector>

#include "import/emitter.h"

namespace tenon::import::onnx {

/// What one neighbour gives along one axis; both have the shape of the places that are read.
struct Neighbour {
  Emitter::Operand index;   ///< within the axis
  Emitter::Operand weight;  ///< none: 1
};

/// How the neighbours of a position along one axis are chosen.
struct SamplingRule {
  std::string mode = "linear";    ///< nearest, linear or cubic
  std::string padding = "zeros";  ///< what lies outside: zeros, border or reflection
  bool align_corners = true;      ///< reflection is about the outer elements' centres, not edges
};

/// The neighbours of `position`, in elements of an axis of this extent.
std::vector<Neighbour> neighbours(Emitter& emitter, const Emitter::Operand& position,
                                  int64_t extent, const SamplingRule& rule);

/// `images` [axes..., channels] read at places of the shape `places`, whose neighbours are given
/// for each axis from `batch_dims` on: [places..., channels].
Emitter::Operand sample(Emitter& emitter, const Emitter::Operand& images,
                        const std::vector<std::vector<Neighbour>>& axes,
                        const std::vector<ir::Dim>& places, int64_t batch_dims);

}  // namespace tenon::import::onnx
