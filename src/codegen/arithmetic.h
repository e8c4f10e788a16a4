// Instructions for expressions that touch no memory, with the meaning that ir/loop.h gives them.
// `dtype` is that of the operands; values are scalars or vectors.
#pragma once

#include "codegen/types.h"

namespace tenon::codegen {

llvm::Value* emit_unary(Builder& builder, ir::ExprKind kind, ir::DType dtype, llvm::Value* a);
llvm::Value* emit_binary(Builder& builder, ir::ExprKind kind, ir::DType dtype, llvm::Value* a,
                         llvm::Value* b);
llvm::Value* emit_compare(Builder& builder, ir::ExprKind kind, ir::DType dtype, llvm::Value* a,
                          llvm::Value* b);
llvm::Value* emit_fma(Builder& builder, ir::DType dtype, llvm::Value* a, llvm::Value* b,
                      llvm::Value* c);

/// Casts to and from f16 and bf16 go through f32, as in eager PyTorch.
llvm::Value* emit_cast(Builder& builder, llvm::Value* value, ir::DType from, ir::DType to);

/// Joins all lanes with the binary kind that the reduce kind stands for, in the order of ir/loop.h.
llvm::Value* emit_reduce(Builder& builder, ir::ExprKind kind, ir::DType dtype, llvm::Value* value);

/// A constant of that type in all lanes.
llvm::Constant* float_constant(llvm::LLVMContext& context, ir::VectorType type, double value);

}  // namespace tenon::codegen
