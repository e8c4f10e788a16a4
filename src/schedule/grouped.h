// The register tiles of convolutions in groups of few channels.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/target.h"

namespace tenon::schedule {

/// One spatial axis of a convolution; an axis that is not there has kernel 1.
struct WindowAxis {
  int64_t kernel = 1, stride = 1, dilation = 1;

  /// Input positions under `outputs` neighbouring outputs, each with the taps (output, tap) that
  /// read it.
  std::map<int64_t, std::vector<std::pair<int, int>>> reads(int outputs) const;
};

constexpr int kMostTileRows = 2;

/// Output rows by output columns of one vector of channels.
struct WindowTile {
  int rows, columns;
};

/// What a tile may be.
struct TileLimits {
  int rows, columns;  ///< at most
  int spare;          ///< registers beside accumulators and weights
};

/// The tile with the fewest loads per multiplication whose accumulators, the weights of one input
/// row and what is spare fit the registers; a tile of one row and no held weights where none does.
/// Tiles of less than eight accumulators would wait for their sums.
WindowTile choose_tile(const Target& target, const WindowAxis& y, const WindowAxis& x,
                       std::optional<int64_t> rows, std::optional<int64_t> columns,
                       const TileLimits& limits);

}  // namespace tenon::schedule
