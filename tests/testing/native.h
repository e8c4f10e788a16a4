// Runs generated code in this process.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <span>
#include <vector>

#include "base/target.h"
#include "codegen/codegen.h"
#include "runtime/abi.h"

namespace tenon::testing {

/// A target that this machine can run, as CI needs it: the same on every x86-64-v3 machine.
inline Target host_target() {
  Target target = *find_target("x86-64-v3");
  return host_can_run(target) ? target : *find_target("native");
}

/// A copy of an image, mapped for execution.
class NativeCode {
 public:
  explicit NativeCode(const codegen::Image& image) : entries_(image.entries) {
    size_ = image.code.size();
    memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TENON_CHECK(memory_ != MAP_FAILED, "memory for code");
    std::memcpy(memory_, image.code.data(), size_);
    TENON_CHECK(mprotect(memory_, size_, PROT_READ | PROT_EXEC) == 0, "executable memory");
  }
  ~NativeCode() { munmap(memory_, size_); }
  NativeCode(const NativeCode&) = delete;
  NativeCode& operator=(const NativeCode&) = delete;

  /// `scratch` is 64-byte aligned.
  int32_t run(size_t function, std::span<void* const> buffers, std::span<const int64_t> params,
              int64_t begin, int64_t end, void* scratch = nullptr) const {
    tenon_args args = {.buffers = buffers.data(),
                       .params = params.data(),
                       .scratch = scratch,
                       .next_weights = nullptr};
    return kernel(function)(&args, begin, end);
  }

  tenon_kernel kernel(size_t function) const {
    return reinterpret_cast<tenon_kernel>(reinterpret_cast<uintptr_t>(memory_) +
                                          entries_.at(function));
  }

 private:
  void* memory_;
  size_t size_;
  std::vector<uint64_t> entries_;
};

}  // namespace tenon::testing
