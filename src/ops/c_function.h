// c_function: a function of a library that the user names, called like a kernel
// (tenon_kernel in runtime/abi.h) with one task. Its buffers are the operands and then the
// results, dense and row-major; its parameters the sizes that its definition names, in order of
// their first place, then its attributes, each the bits of a double.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon::ops {

struct CFunction {
  std::string symbol, library;
  std::vector<ir::Dim> params;
};

/// What a `c_function` node calls.
CFunction c_function_of(ir::Module& module, const ir::Node& node);

}  // namespace tenon::ops
