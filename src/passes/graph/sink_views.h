// Elementwise work is done before its operand is shown under another shape.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: canonical forms (`simplify`). *Gives*: an elementwise node does not read a reshape or
/// transpose of a computed value that only it reads: it reads the value itself and its result is
/// shown under the other shape instead. Its other operands are shown under the shape before. *Why
/// here*: before `fold_normalisation` and `group`, for which a view between a matrix multiplication
/// and its bias, scale or activation is a wall; `simplify` after it drops views that met their
/// inverse.
void sink_views(ir::Module& module);

}  // namespace tenon::passes
