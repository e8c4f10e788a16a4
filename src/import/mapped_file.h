// Files mapped into memory, read-only: what importers read models and weights from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"

namespace tenon::import {

/// A whole regular file; unmapped with its last owner.
class MappedFile {
 public:
  /// Errors are kIo and name the path.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);

  /// Opens a file that a model names. `location` must be a relative POSIX path without "..", and
  /// the file, after following links, must lie beneath `directory` or beneath the directory in
  /// which `model` itself really lies (a hub's cache keeps both as links into one store). Errors
  /// are kBadModel for a bad location and kIo for a file that is not there.
  static Result<std::shared_ptr<const MappedFile>> open_beneath(
      const std::filesystem::path& directory, const std::filesystem::path& model,
      std::string_view location);

  std::span<const std::byte> bytes() const { return bytes_; }

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

 private:
  MappedFile() = default;
  std::span<const std::byte> bytes_;
};

}  // namespace tenon::import
