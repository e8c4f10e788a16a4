// Links one object file into flat bytes with LLVM's JITLink.
#pragma once

#include <llvm/Support/MemoryBufferRef.h>

#include <string>

#include "codegen/codegen.h"

namespace tenon::codegen {

/// Lays out the code and the constants of `object` in one buffer and relocates it; the entry is the
/// offset of `symbol`. An undefined symbol, writable data and a relocation that depends on the
/// load address are internal errors.
Code link(llvm::MemoryBufferRef object, const std::string& symbol);

}  // namespace tenon::codegen
