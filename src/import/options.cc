#include "import/options.h"

#include <fmt/format.h>

namespace tenon::import {

Result<void> check_names(const ImportOptions& options,
                         const std::function<bool(const std::string&)>& is_input,
                         const std::function<bool(const std::string&)>& is_dim) {
  const auto usage = [](std::string message) {
    return fail(ErrorKind::kUsage, std::move(message));
  };
  for (const auto& [name, shape] : options.shapes) {
    if (!is_input(name)) {
      return usage(fmt::format("a shape is given for '{}', which is no input of the model", name));
    }
  }
  for (const auto& [name, value] : options.symbols) {
    if (value < 1) return usage(fmt::format("dim '{}' must be at least 1", name));
    if (!is_dim(name)) {
      return usage(fmt::format("a size is given for '{}', which is no dim of an input", name));
    }
  }
  return {};
}

}  // namespace tenon::import
