// The families of operators: each file under ops/ gives its rows to the registry in op.cc.
#pragma once

#include <utility>
#include <vector>

#include "ops/op.h"

namespace tenon::ops {

using Family = std::vector<std::pair<ir::Op, Operator>>;

Family elementwise_operators();
Family leaf_operators();
Family view_operators();
Family reshape_operators();
Family concat_operators();
Family tile_operators();
Family trilu_operators();

}  // namespace tenon::ops
