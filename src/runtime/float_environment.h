// Keeps kernels and their caller apart in the floating-point unit.
#pragma once

#include <cstdint>

namespace tenon::runtime {

/// While it lives, this thread rounds to nearest, keeps denormals and traps nothing; then the
/// caller's modes and exception flags are back. So results depend neither on the caller's modes nor
/// on the thread that computes them.
class FloatEnvironment {
 public:
#if defined(__x86_64__)
  FloatEnvironment() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(0x1f80); }
  ~FloatEnvironment() { __builtin_ia32_ldmxcsr(saved_); }
#elif defined(__aarch64__)
  FloatEnvironment() {
    asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(saved_), "=r"(flags_));
    asm volatile("msr fpcr, xzr");
  }
  ~FloatEnvironment() { asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(saved_), "r"(flags_)); }
#endif
  FloatEnvironment(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  uint32_t saved_;
#elif defined(__aarch64__)
  uint64_t saved_, flags_;
#endif
};

}  // namespace tenon::runtime
