// Text of the graph language. Large data prints as @name of `hash`, resolved from a side table when
// parsing; data of at most 16 elements prints in full. print(parse(print(m))) is print(m).
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "ir/graph.h"

namespace tenon::ir {

/// Finds data by its printed hash; nothing when there is none.
using DataResolver = std::function<std::optional<Data>(std::string_view hash)>;

/// Reads a module. Errors name line and column.
Result<Module> parse_module(std::string_view text, const DataResolver& resolve = {});

}  // namespace tenon::ir
