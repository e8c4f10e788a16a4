// Owned ranges of mapped memory: files, code, and large working memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

/// A mapping that is unmapped when it goes. Factories give an empty one, with errno, on failure.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  /// A whole file, read-only and shared with other processes.
  static Mapping of_file(int descriptor, size_t bytes);
  /// Part of a file as executable code; `offset` is a multiple of 4096.
  static Mapping of_code(int descriptor, uint64_t offset, size_t bytes);
  /// Executable pages with a copy of `code`.
  static Mapping copy_of_code(const void* code, size_t bytes);
  /// Zeroed working memory, 64-byte aligned, on huge pages where they pay, touched already so that
  /// its use takes no page faults.
  static Mapping working_memory(size_t bytes);

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  /// `data` and `size` are what the owner sees of the mapped range.
  Mapping(void* mapped, size_t mapped_bytes, std::byte* data, size_t size)
      : mapped_(mapped), mapped_bytes_(mapped_bytes), data_(data), size_(size) {}

  void* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tenon::runtime
