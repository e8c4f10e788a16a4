#include "runtime/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace tenon::runtime {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

std::byte* aligned_up(void* memory, size_t alignment) {
  uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  return reinterpret_cast<std::byte*>((address + alignment - 1) & ~(uintptr_t{alignment} - 1));
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept { *this = std::move(other); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(mapped_, other.mapped_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (mapped_) munmap(mapped_, mapped_bytes_);
}

Mapping Mapping::of_file(int descriptor, size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return {};
  return {memory, bytes, static_cast<std::byte*>(memory), bytes};
}

Mapping Mapping::of_code(int descriptor, uint64_t offset, size_t bytes) {
  // Pages may be larger than the 4096 bytes to which the file aligns its code.
  uint64_t skipped = offset % static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, bytes + skipped, PROT_READ | PROT_EXEC, MAP_PRIVATE, descriptor,
                      static_cast<off_t>(offset - skipped));
  if (memory == MAP_FAILED) return {};
  return {memory, bytes + skipped, static_cast<std::byte*>(memory) + skipped, bytes};
}

Mapping Mapping::copy_of_code(const void* code, size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  Mapping mapping(memory, bytes, static_cast<std::byte*>(memory), bytes);
  std::memcpy(memory, code, bytes);
  if (mprotect(memory, bytes, PROT_READ | PROT_EXEC) != 0) return {};
  char* begin = static_cast<char*>(memory);
  __builtin___clear_cache(begin, begin + bytes);
  return mapping;
}

Mapping Mapping::working_memory(size_t bytes) {
  bool huge = bytes >= kHugePage;
  size_t mapped_bytes = bytes + (huge ? kHugePage : 0);
  if (mapped_bytes < bytes) return {};
  void* memory =
      mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  std::byte* data = huge ? aligned_up(memory, kHugePage) : static_cast<std::byte*>(memory);
  // Only advice: without huge pages all works the same.
  if (huge) madvise(data, bytes, MADV_HUGEPAGE);
  for (size_t at = 0; at < bytes; at += 4096) {
    static_cast<volatile std::byte*>(data)[at] = std::byte{0};
  }
  return {memory, mapped_bytes, data, bytes};
}

}  // namespace tenon::runtime
