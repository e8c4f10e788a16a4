// ONNX files to modules: opset 7 to the newest, model-local functions, external data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"

namespace tenon::import {

/// Bounds on what a file may make the importer do. A file beyond one is kBadModel.
struct Limits {
  uint64_t file_bytes = uint64_t{1} << 31;    ///< of the model file; protobuf itself ends here
  uint64_t tensor_bytes = uint64_t{1} << 40;  ///< of one initializer
  size_t nodes = 1'000'000;                   ///< imported, function bodies inlined
  size_t attributes = 1'000;                  ///< of one node
  size_t rank = 64;                           ///< of one tensor
  size_t depth = 64;                          ///< of nested graphs, and of function calls
};

struct ImportOptions {
  /// Dims of inputs, by name, where the file leaves them open or is to be overruled.
  std::map<std::string, std::vector<int64_t>> shapes;
  /// Values of named dims.
  std::map<std::string, int64_t> symbols;
  Limits limits;
};

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
