// Small graphs that importers of several formats build.
#pragma once

#include <vector>

#include "import/emitter.h"

namespace tenon::import {

/// 0, 1, ..., size - 1 as i64.
Emitter::Operand indices(Emitter& emitter, ir::Dim size);

/// numpy's matmul: vectors are a row or a column, leading axes broadcast.
Emitter::Operand matrix_product(Emitter& emitter, ir::ValueId a, ir::ValueId b);

/// The mean and the mean squared distance from it along these axes, which are kept.
struct Statistics {
  Emitter::Operand mean, variance;
};
Statistics statistics_of(Emitter& emitter, const Emitter::Operand& x,
                         const std::vector<int64_t>& axes);

}  // namespace tenon::import
