// A zip archive in memory that is not trusted: every entry is checked before it is read, and
// nothing is ever written to disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::import::pt2 {

class Archive {
 public:
  /// `bytes` outlives the archive. kBadModel for bytes that are no archive, paths that are absolute
  /// or have "..", entries that overlap or share a name, encryption, and unknown compression.
  static Result<Archive> open(std::span<const std::byte> bytes);

  /// Whether there is an entry with this path, below the one folder that holds all.
  bool has(std::string_view path) const { return entries_.contains(path); }
  /// Paths that begin and end so.
  std::vector<std::string> paths(std::string_view begin, std::string_view end) const;

  /// The bytes of an entry: those of the file where they are stored as they are, else inflated
  /// once and kept. kBadModel when it is missing, its checksum is wrong, or inflating gives more
  /// than `budget` in all.
  Result<std::span<const std::byte>> read(std::string_view path);
  Result<std::string_view> read_text(std::string_view path);

  /// Bytes that may be made of this archive beyond its own: many times its size, yet bounded.
  uint64_t budget() const { return budget_; }
  /// Takes from the budget. kBadModel when it is spent.
  Result<void> spend(uint64_t count);

 private:
  struct Entry {
    uint64_t offset = 0;      ///< of the data in the file
    uint64_t compressed = 0;  ///< bytes of it
    uint64_t size = 0;        ///< bytes of the entry
    uint32_t checksum = 0;
    bool is_deflated = false;
    bool is_checked = false;
    std::vector<std::byte> inflated;
  };

  Result<void> add(std::string path, const Entry& entry);
  Result<void> check_overlaps() const;
  void enter_root();
  Result<void> inflate(Entry& entry, const std::string& path);

  std::span<const std::byte> bytes_;
  std::map<std::string, Entry, std::less<>> entries_;
  uint64_t budget_ = 0;
};

}  // namespace tenon::import::pt2
