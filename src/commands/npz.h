// NumPy's .npz files: zip archives of .npy entries.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ops/tensor.h"

namespace tenon::commands {

/// An open archive. Arrays are read when asked for, so what is not asked for may be anything.
class NpzReader {
 public:
  /// kIo when it cannot be opened, kBadInput when it is no zip archive.
  static Result<NpzReader> open(const std::filesystem::path& path);

  /// Names of the arrays, in the file's order.
  const std::vector<std::string>& names() const { return names_; }
  /// The array of that name, which must be one of names(). kBadInput names file and array.
  Result<ops::Tensor> read(const std::string& name) const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<void> archive_;
  std::vector<std::string> names_;
};

/// Writes the arrays, uncompressed as numpy.savez does, under a temporary name that is renamed at
/// the end. Equal arrays give equal bytes.
Result<void> write_npz(const std::filesystem::path& path,
                       std::span<const std::pair<std::string, ops::Tensor>> arrays);

}  // namespace tenon::commands
