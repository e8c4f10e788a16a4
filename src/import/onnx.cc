#include "import/onnx.h"

#include <fmt/format.h>

#include <utility>

#include "import/mapped_file.h"
#include "import/onnx/graph_importer.h"
#include "import/onnx/wire.h"

namespace tenon::import {
namespace {

Result<ir::Module> import_bytes(std::span<const std::byte> bytes,
                                std::shared_ptr<const void> keep_alive,
                                const std::filesystem::path& directory,
                                const std::filesystem::path& file, const ImportOptions& options) {
  TENON_TRY(onnx::Model model, onnx::read_model(bytes, options.limits));
  onnx::TensorReader tensors(directory, file, options.limits);
  onnx::GraphImporter importer(model, tensors, options);
  try {
    TENON_TRY(ir::Module module, importer.run());
    module.keep_alive(std::move(keep_alive));
    return module;
  } catch (const InternalError& error) {
    return fail(ErrorKind::kInternal, error.what(), importer.where(), "this is a bug in Tenon");
  }
}

/// The inputs whose shapes were given, with the shapes that the file itself has for them; empty if
/// these fit no better.
std::string own_shapes(std::span<const std::byte> bytes, const std::filesystem::path& directory,
                       const std::filesystem::path& file, ImportOptions options) {
  const auto given = std::exchange(options.shapes, {});
  const Result<ir::Module> module = import_bytes(bytes, nullptr, directory, file, options);
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

Result<ir::Module> import_onnx(const std::filesystem::path& file, const ImportOptions& options) {
  TENON_TRY(auto mapped, MappedFile::open(file));
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  Result<ir::Module> module = import_bytes(mapped->bytes(), mapped, parent, file, options);
  if (!module && module.error().kind == ErrorKind::kBadShape && !options.shapes.empty()) {
    const std::string fitting = own_shapes(mapped->bytes(), parent, file, options);
    for (Diagnostic& diagnostic : module.error().diagnostics) {
      if (diagnostic.advice.empty() && !fitting.empty())
        diagnostic.advice = fmt::format("the shape in the file fits: {}", fitting);
    }
  }
  if (!module) {
    for (Diagnostic& diagnostic : module.error().diagnostics) {
      if (diagnostic.where.file.empty()) diagnostic.where.file = file.string();
    }
  }
  return module;
}

Result<ir::Module> import_onnx(std::span<const std::byte> bytes,
                               std::shared_ptr<const void> keep_alive,
                               const std::filesystem::path& directory,
                               const ImportOptions& options) {
  return import_bytes(bytes, std::move(keep_alive), directory, {}, options);
}

}  // namespace tenon::import
