// Loop functions to machine code: LLVM 19, then one relocated flat image. The only room that sees
// LLVM; its headers stay in the .cc files.
//
// A kernel has the C ABI of runtime/abi.h: int32_t kernel(const tenon_args*, int64_t begin, int64_t
// end). args->buffers holds the argument buffers of the function in order; args->params its
// parameters in order. Scratch buffers lie in args->scratch in the function's order, each at the
// next multiple of 64 bytes: the i-th takes round_up(extent * size_of(dtype), 64) bytes, and the
// sum of these is what a step must provide.
//
// Needs functions that `verify` accepts, with math functions, `pow` and the float forms of `rem`,
// `floor_div` and `floor_mod` expanded (passes/loop/expand_math): one that is left is an internal
// error. Equal input gives equal bytes at any number of threads.
//
// In a program that is built with the address or the thread sanitizer, code for targets that this
// machine can run reports its accesses to it, and is good for this process only. Texts of code
// (llvm_text, assembly) show what other builds make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/target.h"
#include "ir/loop.h"

namespace tenon::codegen {

struct CodegenOptions {
  /// Every access to a buffer with an extent ends the call with TENON_KERNEL_EXTENT when it touches
  /// an element outside [0, extent).
  bool checked = false;
  int threads = 1;
};

/// Machine code of one function and the constants that it reads. Position independent, but for the
/// alignment that `join` gives it.
struct Code {
  std::vector<std::byte> bytes;
  uint64_t entry = 0;  ///< offset of the function
};

/// On options.threads threads.
std::vector<Code> generate(std::span<const ir::Function* const> functions, const Target& target,
                           const CodegenOptions& options = {});

/// What code depends on besides function, target and options: the builds of this program and of
/// LLVM, and the process where it is good for one only. Empty when that cannot be told.
std::string generator_identity();

/// The code of several functions. A copy runs at any 4096-byte aligned address, mapped readable and
/// executable.
struct Image {
  std::vector<std::byte> code;
  std::vector<uint64_t> entries;  ///< entry i is the offset of function i in `code`
};

Image join(std::span<const Code> codes, const Target& target);

/// `generate`, then `join`.
Image compile(std::span<const ir::Function> functions, const Target& target,
              const CodegenOptions& options = {});

/// What LLVM gets for one function, and the assembly that it makes of it.
std::string llvm_text(const ir::Function& function, const Target& target,
                      const CodegenOptions& options = {});
std::string assembly(const ir::Function& function, const Target& target,
                     const CodegenOptions& options = {});

/// Bytes of scratch that a call needs, when all scratch extents are constants.
std::optional<uint64_t> static_scratch_bytes(const ir::Function& function);

}  // namespace tenon::codegen
