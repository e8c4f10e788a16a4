// Large data beside a text that names it by its hash.
//
// The file, all little-endian: the number of entries as uint64, then for each entry its hash,
// offset and size in bytes as uint64, then the bytes, every entry's at a multiple of 64.
#pragma once

#include <filesystem>
#include <span>

#include "base/result.h"
#include "ir/graph_text.h"

namespace tenon::driver {

/// The side file of a text: its path with ".data" behind it.
std::filesystem::path data_path(const std::filesystem::path& text);

/// Writes what the modules' texts name by hash, each once.
Result<void> save_data(std::span<const ir::Module* const> modules,
                       const std::filesystem::path& path);

/// Finds data in the file, which stays mapped as long as the resolver or a copy lives. A file that
/// is not there is an error only where a text needs it: the resolver then finds nothing.
Result<ir::DataResolver> open_data(const std::filesystem::path& path);

}  // namespace tenon::driver
