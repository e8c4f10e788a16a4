#include "codegen/types.h"

#include "base/result.h"

namespace tenon::codegen {
namespace {

llvm::Type* element_type(llvm::LLVMContext& context, ir::DType dtype) {
  switch (dtype) {
    case ir::DType::kBool: return llvm::Type::getInt1Ty(context);
    case ir::DType::kFloat32: return llvm::Type::getFloatTy(context);
    case ir::DType::kFloat64: return llvm::Type::getDoubleTy(context);
    default: return llvm::Type::getIntNTy(context, 8 * ir::size_of(dtype));
  }
}

llvm::Type* widen(llvm::Type* element, unsigned lanes) {
  return lanes == 1 ? element : llvm::FixedVectorType::get(element, lanes);
}

}  // namespace

llvm::Type* value_type(llvm::LLVMContext& context, ir::VectorType type) {
  TENON_CHECK(type.lanes > 0, "a type without lanes");
  return widen(element_type(context, type.dtype), type.lanes);
}

llvm::Type* memory_type(llvm::LLVMContext& context, ir::VectorType type) {
  if (type.dtype == ir::DType::kBool) type.dtype = ir::DType::kUInt8;
  return value_type(context, type);
}

unsigned lanes_of(const llvm::Value* value) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector ? vector->getNumElements() : 1;
}

llvm::Type* with_lanes_of(const llvm::Value* value, llvm::Type* type) {
  return widen(type, lanes_of(value));
}

}  // namespace tenon::codegen
