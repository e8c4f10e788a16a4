// The targets of one compilation.
#pragma once

#include <string_view>
#include <vector>

#include "base/target.h"

namespace tenon::driver {

/// The targets of a list like "x86-64-v3,x86-64-v4", the most capable first. None may be there
/// twice.
Result<std::vector<Target>> find_targets(std::string_view names);

}  // namespace tenon::driver
