// Elements that a model file brings along, and how they become nodes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "import/emitter.h"

namespace tenon::import {

/// Elements that lie in memory that outlives the module, or in `owned` when they are not dense
/// there.
struct TensorBytes {
  ir::TensorType type;  ///< static
  std::span<const std::byte> bytes;
  std::vector<std::byte> owned;
};

/// A `constant` for few elements and for integers, else a `parameter`.
ir::ValueId add_tensor(Emitter& emitter, const TensorBytes& bytes, const std::string& name);

}  // namespace tenon::import
