// Views: how they read their base, and how a write through them changes it.
#pragma once

#include <vector>

#include "import/pt2/memory.h"

namespace tenon::import::pt2 {

/// The same elements.
View alias_view();
/// The elements of a tensor with the dims `from` in another shape.
View reshape_view(Emitter& emitter, const std::vector<ir::Dim>& from,
                  const std::vector<ir::Dim>& dims);
View transpose_view(Emitter& emitter, std::vector<int64_t> perm);
/// `length` elements from `start` on along an axis of the dims `from`.
View slice_view(Emitter& emitter, const std::vector<ir::Dim>& from, int64_t axis, ir::Dim start,
                ir::Dim end, int64_t step);
/// One after the other.
View chain(const View& first, const View& second);

/// `base` with `part` in the place of its elements start, start + step, ... along an axis.
Emitter::Operand replace_slice(Emitter& emitter, ir::ValueId base, ir::ValueId part, int64_t axis,
                               ir::Dim start, int64_t step);

}  // namespace tenon::import::pt2
