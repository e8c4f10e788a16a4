// `.pt2` files, as torch.export.save writes them since PyTorch 2.9, to modules.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "import/options.h"
#include "ir/graph.h"

namespace tenon::import {

/// Reads a model by the rules of `import_aten`. Weights stay in the mapped file, which the module
/// keeps alive, unless they are compressed or not dense there. Nothing pickled is ever executed.
///
/// Errors: kIo; kBadModel for a damaged archive and for one that is not what it claims (paths that
/// leave it, entries that overlap, sizes beyond the file's); kUnsupported for archives that need
/// Python to be read, with advice, and as `import_aten` gives it; kBadShape and kUsage.
Result<ir::Module> import_pt2(const std::filesystem::path& file, const ImportOptions& options);

/// The same from bytes, which `keep_alive` holds.
Result<ir::Module> import_pt2(std::span<const std::byte> bytes,
                              std::shared_ptr<const void> keep_alive, const ImportOptions& options);

}  // namespace tenon::import
