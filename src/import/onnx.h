// ONNX files to modules: opset 7 to the newest, model-local functions, external data.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "import/options.h"
#include "ir/graph.h"

namespace tenon::import {

/// Reads a model. Values have the types that `ops` infers, not those that the file claims; open
/// input dims become symbols, by their name or as "<input>_<axis>", and are taken to be at least 1.
/// Initializers with few elements and those of integers are `constant`, the others `parameter`;
/// their bytes stay in the mapped files, which the module keeps alive.
///
/// Errors: kIo; kBadModel names the place in the file; kUnsupported lists everything that is
/// missing, one diagnostic per operator and reason; kBadShape and kUsage (an option that names no
/// input).
Result<ir::Module> import_onnx(const std::filesystem::path& file, const ImportOptions& options);

/// The same from bytes, which `keep_alive` holds; external data is looked up in `directory`.
Result<ir::Module> import_onnx(std::span<const std::byte> bytes,
                               std::shared_ptr<const void> keep_alive,
                               const std::filesystem::path& directory,
                               const ImportOptions& options);

}  // namespace tenon::import
