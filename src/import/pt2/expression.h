// Symbolic sizes as torch.export writes them: sympy's srepr, "Add(Symbol('s0', integer=True), ...".
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ir/dim.h"

namespace tenon::import::pt2 {

/// The size that the text says; `symbol` gives the dim of a symbol. kBadModel for text that is
/// none, kUnsupported for a function that sizes of Tenon do not have.
Result<ir::Dim> parse_expression(std::string_view text, ir::Dims& dims,
                                 const std::function<ir::Dim(const std::string&)>& symbol);

}  // namespace tenon::import::pt2
