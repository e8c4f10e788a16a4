// Which operators can show their operand's memory under another shape instead of computing.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace tenon::ops {

/// Element (i, j, ...) lies at offset + i*strides[0] + j*strides[1] + ...
struct Strided {
  ir::Dim offset;
  std::vector<ir::Dim> strides;
};

/// Where the result of a `view` operator lies in its operand's memory; nothing when no strides
/// express that (a reshape that merges axes which are not adjacent in memory).
std::optional<Strided> view_of(ir::Module& module, const ir::Node& node, const Strided& operand);

/// Strides that show memory of shape `from` as shape `to` in the same row-major order of elements;
/// nothing when there are none. Shapes have equal element counts.
std::optional<std::vector<ir::Dim>> reshape_strides(ir::Dims& dims,
                                                    const std::vector<ir::Dim>& from,
                                                    const std::vector<ir::Dim>& strides,
                                                    const std::vector<ir::Dim>& to);

}  // namespace tenon::ops
