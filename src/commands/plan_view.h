// A .tenon file as data, whether or not this machine could run it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "driver/artifact.h"
#include "runtime/abi.h"

namespace tenon::commands {

/// Header and plan of an artifact; the runtime has checked every index in it.
class PlanView {
 public:
  /// Checks all of the file, the hash of its weights too, before it is read: kBadModel if damaged.
  static Result<PlanView> open(const std::filesystem::path& path);
  /// Of an artifact that was just made.
  explicit PlanView(const driver::Artifact& artifact);

  const tenon_file_header& header() const { return header_; }
  /// Without kernels and weights.
  const tenon_module& plan() const { return plan_; }
  const char* string(uint32_t offset) const { return plan_.strings + offset; }
  /// A slot's value unless it depends on shapes that are free.
  std::optional<int64_t> constant(uint32_t slot) const;
  /// Machine code of each kernel, from its entry to the next one's.
  std::vector<uint64_t> kernel_code_bytes() const;

 private:
  PlanView() = default;
  void read(std::span<const std::byte> plan_section);

  tenon_file_header header_ = {};
  std::shared_ptr<const void> memory_;  // of the plan section
  tenon_module plan_ = {};
  std::span<const uint64_t> entries_;
};

}  // namespace tenon::commands
