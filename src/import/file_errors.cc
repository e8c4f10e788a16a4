#include "import/file_errors.h"

#include <fmt/format.h>

#include <utility>

namespace tenon::import {
namespace {

/// The inputs whose shapes were given, with the shapes that the file itself has for them; empty if
/// these fit no better.
std::string own_shapes(ImportOptions options, const ImportWith& import) {
  const auto given = std::exchange(options.shapes, {});
  const Result<ir::Module> module = import(options);
  std::string text;
  if (!module) return text;
  for (ir::ValueId input : module->graph.inputs) {
    const ir::Value& value = module->value(input);
    if (!given.contains(value.name)) continue;
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", value.name,
                        ir::to_string(module->dims, value.type));
  }
  return text;
}

}  // namespace

Result<ir::Module> import_named(const std::filesystem::path& file, const ImportOptions& options,
                                const ImportWith& import) {
  Result<ir::Module> module = import(options);
  if (module) return module;
  std::string fitting;
  if (module.error().kind == ErrorKind::kBadShape && !options.shapes.empty()) {
    fitting = own_shapes(options, import);
  }
  for (Diagnostic& diagnostic : module.error().diagnostics) {
    if (diagnostic.where.file.empty()) diagnostic.where.file = file.string();
    if (diagnostic.advice.empty() && !fitting.empty()) {
      diagnostic.advice = fmt::format("the shape in the file fits: {}", fitting);
    }
  }
  return module;
}

}  // namespace tenon::import
