// How much arithmetic an operator does.
#pragma once

#include "ir/graph.h"

namespace tenon::ops {

/// Floating-point operations of a node under its types: two for each multiplication with addition
/// of the heavy operators, one per result element of the others.
ir::Dim flops(ir::Module& module, const ir::Node& node);

}  // namespace tenon::ops
