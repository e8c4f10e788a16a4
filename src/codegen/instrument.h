// LLVM's sanitizer passes over generated code, in builds that run under a sanitizer themselves.
#pragma once

#include <llvm/IR/Module.h>

#include <cstdint>

namespace tenon::codegen {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstruments = true;
#else
inline constexpr bool kInstruments = false;
#endif

// The rest exists where kInstruments is true.

/// Every access to memory in the module's functions reports to the sanitizer of this process. The
/// addresses of its functions are written into the code, which so has no undefined symbols, and is
/// good for this process only.
void instrument(llvm::Module& module);

/// The address of a function of the sanitizer, by which one process is told from another.
uint64_t sanitizer_address();

}  // namespace tenon::codegen
