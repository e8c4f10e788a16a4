// Files that the compiler writes, in memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"

namespace tenon::driver {

/// Page-aligned bytes, at first zero, as of a .tenon file (runtime/abi.h has its layout); copies
/// share them.
class Artifact {
 public:
  Artifact() = default;
  explicit Artifact(size_t bytes);
  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  friend Result<void> save_and_release(Artifact artifact, const std::filesystem::path& path);

  std::shared_ptr<std::byte> memory_;
  size_t size_ = 0;
};

/// Writes a file under a temporary name beside `path`, then renames it: a failure or an interrupt
/// leaves no half-written file.
Result<void> save(std::span<const std::byte> bytes, const std::filesystem::path& path);
/// The same for an artifact, whose memory, unless a copy shares it, goes back to the system as its
/// bytes are written: the system gives it to the file, where pages that it has not used before can
/// cost more time than all of a compilation.
Result<void> save_and_release(Artifact artifact, const std::filesystem::path& path);

}  // namespace tenon::driver
