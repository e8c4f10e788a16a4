#include "codegen/loop_nest.h"

#include <algorithm>

namespace tenon::codegen {

using llvm::BasicBlock;
using llvm::Value;

BasicBlock* LoopNest::new_block(const char* name) {
  BasicBlock* block = BasicBlock::Create(builder_.getContext(), name, &kernel_);
  depths_.emplace(block, depth());
  return block;
}

size_t LoopNest::depth(const Value* value) const {
  const auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
  return instruction ? depths_.at(instruction->getParent()) : 0;
}

void LoopNest::lift(Value* value) {
  auto* operation = llvm::dyn_cast<llvm::BinaryOperator>(value);
  if (!operation || operation->isIntDivRem() || depth(operation) < depth()) return;
  size_t needed = 0;
  for (Value* operand : operation->operands()) {
    lift(operand);
    needed = std::max(needed, depth(operand));
  }
  if (needed < depth()) operation->moveBefore(loops_[needed].before->getTerminator());
}

Value* LoopNest::element_pointer(llvm::Type* element, Value* pointer, Value* index) {
  const size_t needed = std::max(depth(pointer), depth(index));
  const bool here = needed == depth();
  if (here && last_block_ != builder_.GetInsertBlock()) {
    last_block_ = builder_.GetInsertBlock();
    in_last_block_.clear();
  }
  Value*& known = (here ? in_last_block_ : loops_[needed].pointers)[{pointer, index}];
  if (!known) {
    llvm::IRBuilderBase::InsertPointGuard guard(builder_);
    if (!here) builder_.SetInsertPoint(loops_[needed].before->getTerminator());
    known = builder_.CreateGEP(element, pointer, index);
  }
  return known;
}

}  // namespace tenon::codegen
