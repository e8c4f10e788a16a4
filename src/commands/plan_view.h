// What a .tenon file has for one target as data, whether or not this machine could run it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "driver/artifact.h"
#include "runtime/abi.h"

namespace tenon::commands {

/// Header and plan of an artifact; the runtime has checked every index in it.
class PlanView {
 public:
  /// For each of its targets. Checks all of the file, the hash of its weights too, before it is
  /// read: kBadModel if damaged.
  static Result<std::vector<PlanView>> open(const std::filesystem::path& path);
  /// For each target of an artifact that was just made.
  static std::vector<PlanView> of(const driver::Artifact& artifact);

  const tenon_file_header& header() const { return header_; }
  /// Without kernels and the bytes of weights.
  const tenon_module& plan() const { return plan_; }
  const char* string(uint32_t offset) const { return plan_.strings + offset; }
  /// A slot's value unless it depends on shapes that are free.
  std::optional<int64_t> constant(uint32_t slot) const;
  /// How the loops of each step were made: a recipe's name, "loops" for an operator's naive ones;
  /// "?" where the file does not tell.
  const std::vector<std::string>& recipes() const { return recipes_; }
  /// What a call needs; nothing while a size is free.
  std::optional<tenon_memory> memory() const;
  /// Machine code of each kernel, from its entry to the next one's.
  std::vector<uint64_t> kernel_code_bytes() const;

 private:
  PlanView() = default;
  /// What stands at `offset` in a file; the memory stays.
  using Read = std::function<std::shared_ptr<const std::byte>(uint64_t offset, uint64_t bytes)>;
  static std::vector<PlanView> all(const Read& read);
  void take(std::span<const std::byte> plan_section, std::string_view info);

  tenon_file_header header_ = {};
  std::shared_ptr<const void> memory_;  // of the plan section
  tenon_module plan_ = {};
  std::span<const uint64_t> entries_;
  std::vector<std::string> recipes_;
};

}  // namespace tenon::commands
