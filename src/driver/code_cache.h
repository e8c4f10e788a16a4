// Machine code that earlier compilations made, in a folder that processes share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "codegen/codegen.h"

namespace tenon::driver {

/// One file per kernel, found by the hash of its key and believed only if it holds the whole key
/// and its own checksum. Files appear whole, by renaming, so any number of processes may use one
/// folder and be killed at any time. Nothing here fails: what cannot be read is not found, what
/// cannot be written is not kept.
class CodeCache {
 public:
  /// An empty `folder`: always empty. Keeps at most about `limit` bytes, the ones used last.
  explicit CodeCache(std::filesystem::path folder, uint64_t limit = uint64_t{256} << 20);

  std::optional<codegen::Code> find(std::string_view key) const;
  void keep(std::string_view key, const codegen::Code& code) const;

 private:
  std::filesystem::path file_of(std::string_view key) const;

  std::filesystem::path folder_;
  uint64_t limit_;
};

/// The folder to use: `choice` unless it is empty, else the environment's TENON_CACHE, else
/// "tenon" in the user's cache folder (XDG_CACHE_HOME, or ~/.cache). Empty for "off".
std::filesystem::path cache_folder(std::string_view choice = {});

}  // namespace tenon::driver
