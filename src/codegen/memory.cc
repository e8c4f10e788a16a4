#include "codegen/memory.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>

namespace tenon::codegen {

using llvm::Value;

Memory::Memory(Builder& builder, LoopNest& nest, const ir::Function& function, const Target& target,
               std::vector<BufferValue> values, std::function<void(Value*)> require)
    : builder_(builder),
      nest_(nest),
      function_(function),
      indexed_displacement_(target.indexed_displacement),
      values_(std::move(values)),
      require_(std::move(require)) {
  llvm::LLVMContext& context = builder.getContext();
  llvm::MDBuilder metadata(context);
  llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain();
  std::vector<llvm::Metadata*> scopes;
  for (size_t i = 0; i < values_.size(); ++i) {
    scopes.push_back(metadata.createAnonymousAliasScope(domain));
  }
  for (size_t i = 0; i < values_.size(); ++i) {
    std::vector<llvm::Metadata*> others = scopes;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    scope_.push_back(llvm::MDNode::get(context, {scopes[i]}));
    others_.push_back(llvm::MDNode::get(context, others));
  }
}

Value* Memory::address(ir::BufferId buffer, Value* index, bool ahead) {
  // Outer loops' terms are added to the pointer first and a constant last: so the former leave the
  // loops that do not change them and the latter is a displacement.
  std::vector<Value*> terms = {index}, fixed;
  Value* varying = nullptr;
  int64_t displacement = 0;
  while (!terms.empty()) {
    Value* term = terms.back();
    terms.pop_back();
    const auto* sum = llvm::dyn_cast<llvm::BinaryOperator>(term);
    if (sum && sum->getOpcode() == llvm::Instruction::Add) {
      terms.insert(terms.end(), {sum->getOperand(1), sum->getOperand(0)});
      continue;
    }
    if (const auto* number = llvm::dyn_cast<llvm::ConstantInt>(term)) {
      displacement += number->getSExtValue();
      continue;
    }
    nest_.lift(term);
    if (nest_.depth(term) == nest_.depth()) {
      varying = varying ? builder_.CreateAdd(varying, term) : term;
    } else {
      fixed.push_back(term);
    }
  }
  std::ranges::stable_sort(fixed, {}, [&](Value* term) { return nest_.depth(term); });
  llvm::Type* element = memory_type(builder_.getContext(), {function_.buffer(buffer).dtype, 1});
  Value* pointer = values_[buffer.index].pointer;
  for (Value* term : fixed) pointer = nest_.element_pointer(element, pointer, term);
  if (!indexed_displacement_ && nest_.depth(pointer) < nest_.depth()) {
    // The displacement that a pointer is first used with becomes part of it.
    const int64_t first =
        displacements_.try_emplace(pointer, ahead ? 0 : displacement).first->second;
    if (first != 0) pointer = nest_.element_pointer(element, pointer, builder_.getInt64(first));
    displacement -= first;
  }
  if (varying) pointer = nest_.element_pointer(element, pointer, varying);
  if (displacement == 0) return pointer;
  return builder_.CreateGEP(element, pointer, builder_.getInt64(displacement));
}

llvm::Align Memory::alignment(ir::BufferId buffer) const {
  return llvm::Align(ir::size_of(function_.buffer(buffer).dtype));
}

llvm::Instruction* Memory::annotate(ir::BufferId buffer, llvm::Instruction* access) {
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, scope_[buffer.index]);
  if (others_[buffer.index]->getNumOperands() > 0) {
    access->setMetadata(llvm::LLVMContext::MD_noalias, others_[buffer.index]);
  }
  if (function_.buffer(buffer).kind == ir::BufferKind::kInput &&
      llvm::isa<llvm::LoadInst>(access)) {
    access->setMetadata(llvm::LLVMContext::MD_invariant_load,
                        llvm::MDNode::get(builder_.getContext(), {}));
  }
  return access;
}

Value* Memory::from_memory(ir::BufferId buffer, Value* value) {
  if (function_.buffer(buffer).dtype != ir::DType::kBool) return value;
  return builder_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

Value* Memory::to_memory(ir::BufferId buffer, Value* value) {
  if (function_.buffer(buffer).dtype != ir::DType::kBool) return value;
  return builder_.CreateZExt(value, with_lanes_of(value, builder_.getInt8Ty()));
}

void Memory::check_lanes(ir::BufferId buffer, Value* indices, Value* mask) {
  Value* extent = values_[buffer.index].extent;
  if (!extent) return;
  unsigned lanes = lanes_of(indices);
  if (lanes > 1) extent = builder_.CreateVectorSplat(lanes, extent);
  // Unsigned, so that a negative index is too large.
  Value* ok = builder_.CreateICmpULT(indices, extent);
  if (mask) ok = builder_.CreateOr(ok, builder_.CreateNot(mask));
  require_(lanes > 1 ? builder_.CreateAndReduce(ok) : ok);
}

void Memory::check_range(ir::BufferId buffer, Value* index, int lanes, Value* mask) {
  Value* extent = values_[buffer.index].extent;
  if (!extent) return;
  if (!mask) {
    Value* last = builder_.CreateAdd(index, builder_.getInt64(lanes - 1));
    require_(builder_.CreateAnd(builder_.CreateICmpSGE(index, builder_.getInt64(0)),
                                builder_.CreateICmpSLT(last, extent)));
    return;
  }
  if (lanes > 1) {
    llvm::SmallVector<uint64_t> offsets;
    for (int i = 0; i < lanes; ++i) offsets.push_back(i);
    index = builder_.CreateAdd(
        builder_.CreateVectorSplat(lanes, index),
        llvm::ConstantDataVector::get(builder_.getContext(), llvm::ArrayRef<uint64_t>(offsets)));
  }
  check_lanes(buffer, index, mask);
}

Value* Memory::load(ir::BufferId buffer, Value* index, int lanes, Value* mask) {
  check_range(buffer, index, lanes, mask);
  llvm::Type* type = memory_type(builder_.getContext(),
                                 {function_.buffer(buffer).dtype, static_cast<uint16_t>(lanes)});
  Value* pointer = address(buffer, index);
  auto plain = [&] {
    return annotate(buffer, builder_.CreateAlignedLoad(type, pointer, alignment(buffer)));
  };
  if (!mask) return from_memory(buffer, plain());
  Value* zero = llvm::Constant::getNullValue(type);
  if (lanes > 1) {
    return from_memory(buffer, annotate(buffer, builder_.CreateMaskedLoad(
                                                    type, pointer, alignment(buffer), mask, zero)));
  }
  llvm::BasicBlock* before = builder_.GetInsertBlock();
  auto* touch = nest_.new_block("load");
  auto* after = nest_.new_block("loaded");
  builder_.CreateCondBr(mask, touch, after);
  builder_.SetInsertPoint(touch);
  Value* loaded = plain();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
  llvm::PHINode* result = builder_.CreatePHI(type, 2);
  result->addIncoming(loaded, touch);
  result->addIncoming(zero, before);
  return from_memory(buffer, result);
}

Value* Memory::gather(ir::BufferId buffer, Value* indices, Value* mask) {
  check_lanes(buffer, indices, mask);
  unsigned lanes = lanes_of(indices);
  if (lanes == 1) return load(buffer, indices, 1, mask);
  llvm::Type* type = memory_type(builder_.getContext(),
                                 {function_.buffer(buffer).dtype, static_cast<uint16_t>(lanes)});
  if (!mask)
    mask = llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(builder_.getInt1Ty(), lanes));
  return from_memory(buffer, annotate(buffer, builder_.CreateMaskedGather(
                                                  type, address(buffer, indices), alignment(buffer),
                                                  mask, llvm::Constant::getNullValue(type))));
}

void Memory::store(ir::BufferId buffer, Value* index, Value* value, Value* mask) {
  unsigned lanes = lanes_of(value);
  check_range(buffer, index, static_cast<int>(lanes), mask);
  Value* bytes = to_memory(buffer, value);
  Value* pointer = address(buffer, index);
  auto plain = [&] {
    annotate(buffer, builder_.CreateAlignedStore(bytes, pointer, alignment(buffer)));
  };
  if (!mask) return plain();
  if (lanes > 1) {
    annotate(buffer, builder_.CreateMaskedStore(bytes, pointer, alignment(buffer), mask));
    return;
  }
  auto* touch = nest_.new_block("store");
  auto* after = nest_.new_block("stored");
  builder_.CreateCondBr(mask, touch, after);
  builder_.SetInsertPoint(touch);
  plain();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
}

void Memory::prefetch(ir::BufferId buffer, Value* index, bool write) {
  Value* pointer = address(buffer, index, true);
  // What is fetched ahead is more than the first cache holds beside what is at work there.
  constexpr int kFromSecondCache = 2, kData = 1;
  builder_.CreateIntrinsic(llvm::Intrinsic::prefetch, {pointer->getType()},
                           {pointer, builder_.getInt32(write), builder_.getInt32(kFromSecondCache),
                            builder_.getInt32(kData)});
}

}  // namespace tenon::codegen
