// The checkout that a test runs in.
#pragma once

#include <filesystem>

namespace tenon::testing {

/// `relative` below the root, wherever below it the test runs; empty when it is not there.
inline std::filesystem::path in_checkout(const std::filesystem::path& relative) {
  using std::filesystem::path;
  for (path at = std::filesystem::current_path(); at.has_relative_path(); at = at.parent_path()) {
    if (exists(at / relative)) return at / relative;
  }
  return {};
}

}  // namespace tenon::testing
