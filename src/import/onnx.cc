#include "import/onnx.h"

#include "import/file_errors.h"
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

}  // namespace

Result<ir::Module> import_onnx(const std::filesystem::path& file, const ImportOptions& options) {
  TENON_TRY(auto mapped, MappedFile::open(file));
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  return import_named(file, options, [&](const ImportOptions& with) {
    return import_bytes(mapped->bytes(), mapped, parent, file, with);
  });
}

Result<ir::Module> import_onnx(std::span<const std::byte> bytes,
                               std::shared_ptr<const void> keep_alive,
                               const std::filesystem::path& directory,
                               const ImportOptions& options) {
  return import_bytes(bytes, std::move(keep_alive), directory, {}, options);
}

}  // namespace tenon::import
