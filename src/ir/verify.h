// What makes a module or function well formed. A failure is a bug of ours, so the message names
// ids, not user concepts.
#pragma once

#include <string>

#include "ir/graph.h"
#include "ir/loop.h"

namespace tenon::ir {

/// Empty when every node agrees with its row of graph.def, every value is defined before its use
/// and exactly once, types have non-negative dims, data has the type of its node's first result,
/// outputs are defined and named, a size is read from an i64 scalar that comes before all that
/// mentions it, values are placed in storage that a value of the graph owns, and no node is in two
/// groups; else the first thing that is wrong.
std::string verify(const Module& module);

/// Empty when types, lanes, operand counts, scopes of variables and buffer uses follow loop.h; else
/// what is wrong.
std::string verify(const Function& function);

/// The part of that for one expression, whose operands are well formed.
std::string verify_expression(const Function& function, ExprId expr);

}  // namespace tenon::ir
