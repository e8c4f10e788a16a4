// How types of the loop language look in LLVM. A bool is an i1 in registers and a byte in memory;
// f16 and bf16 are i16 everywhere, since only casts give them a meaning.
#pragma once

#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/IRBuilder.h>

#include "ir/loop.h"

namespace tenon::codegen {

using Builder = llvm::IRBuilder<>;

llvm::Type* value_type(llvm::LLVMContext& context, ir::VectorType type);
llvm::Type* memory_type(llvm::LLVMContext& context, ir::VectorType type);

/// Lanes of an LLVM value; 1 for a scalar.
unsigned lanes_of(const llvm::Value* value);

/// `type` with the lanes of `value`.
llvm::Type* with_lanes_of(const llvm::Value* value, llvm::Type* type);

}  // namespace tenon::codegen
