// Links one object file into flat bytes with LLVM's JITLink.
#pragma once

#include <llvm/Support/MemoryBufferRef.h>

#include <span>
#include <string>

#include "codegen/codegen.h"

namespace tenon::codegen {

/// Lays out the code and the constants of `object` in one buffer and relocates it; entry i is the
/// offset of symbols[i]. An undefined symbol, writable data and a relocation that depends on the
/// load address are internal errors.
Image link(llvm::MemoryBufferRef object, std::span<const std::string> symbols);

}  // namespace tenon::codegen
