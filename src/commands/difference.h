// How far one tensor is from another.
#pragma once

#include <cstdint>

#include "ops/tensor.h"

namespace tenon::commands {

/// Over all elements, against a reference. Equal elements differ by 0, infinities and NaNs among
/// them; a NaN or infinity on one side only is infinitely far.
struct Difference {
  double max_absolute = 0;
  double max_relative = 0;  ///< |difference| / |reference|, where the reference is not 0
  /// The smallest tolerance t with |difference| <= t * max(|reference|, rms of all references): so
  /// elements that are small beside the others need not have all their digits.
  double needed_tolerance = 0;
  int64_t worst = 0;  ///< index of the element that needs it, in row-major order
};

/// Both of one shape and dtype.
Difference compare(const ops::Tensor& actual, const ops::Tensor& reference);

/// What rounding in another order explains: 0 for integers and bools.
double default_tolerance(ir::DType dtype);

}  // namespace tenon::commands
