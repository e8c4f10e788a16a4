#include "import/onnx.h"

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
  TENON_TRY(ir::Module module, onnx::GraphImporter(model, tensors, options).run());
  module.keep_alive(std::move(keep_alive));
  return module;
}

}  // namespace

Result<ir::Module> import_onnx(const std::filesystem::path& file, const ImportOptions& options) {
  TENON_TRY(auto mapped, MappedFile::open(file));
  const std::filesystem::path parent = file.parent_path();
  Result<ir::Module> module =
      import_bytes(mapped->bytes(), mapped, parent.empty() ? "." : parent, file, options);
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
