// What the importers of all kinds of files say of one that cannot be imported.
#pragma once

#include <filesystem>
#include <functional>

#include "import/options.h"
#include "ir/graph.h"

namespace tenon::import {

using ImportWith = std::function<Result<ir::Module>(const ImportOptions& options)>;

/// Imports with the options. Errors name the file; where shapes that were given do not fit the
/// model, they say which ones of the file would.
Result<ir::Module> import_named(const std::filesystem::path& file, const ImportOptions& options,
                                const ImportWith& import);

}  // namespace tenon::import
