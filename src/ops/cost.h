// How much arithmetic an operator does.
#pragma once

#include "ir/graph.h"

namespace tenon::ops {

/// Floating-point operations of a node under its types: two for each multiplication with addition
/// of the heavy operators, those of its meaning for each result element of an elementwise one
/// (`ir::flops`), one per result element of the others.
ir::Dim flops(ir::Module& module, const ir::Node& node);

}  // namespace tenon::ops
