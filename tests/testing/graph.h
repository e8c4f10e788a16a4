// Graphs for tests, written as text.
#pragma once

#include <stdexcept>
#include <string_view>

#include "ir/graph_text.h"
#include "ir/verify.h"

namespace tenon::testing {

/// The module that `text` describes; throws when it cannot be read or is not well formed.
inline ir::Module graph_of(std::string_view text, const ir::DataResolver& resolve = {}) {
  Result<ir::Module> module = ir::parse_module(text, resolve);
  if (!module) throw std::runtime_error(module.error().text());
  if (const std::string problem = ir::verify(*module); !problem.empty()) {
    throw std::runtime_error(problem);
  }
  return *std::move(module);
}

}  // namespace tenon::testing
