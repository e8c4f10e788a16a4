// The loops around the place where code is being made.
#pragma once

#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "codegen/types.h"

namespace tenon::codegen {

/// Knows for every block of a kernel how many loops it is in, so that an address which does not
/// change in a loop is computed before it: LLVM's own hoisting stops where it fears for registers,
/// and a row pointer computed again for each element costs more than one that is reloaded.
class LoopNest {
 public:
  LoopNest(Builder& builder, llvm::Function& kernel) : builder_(builder), kernel_(kernel) {}

  /// A new block of the innermost loop, last in the kernel.
  llvm::BasicBlock* new_block(const char* name);

  /// Opens a loop: what it does not change is computed at the end of the current block, which is to
  /// branch into the loop.
  void enter() { loops_.push_back({builder_.GetInsertBlock(), {}}); }
  void leave() { loops_.pop_back(); }

  size_t depth() const { return loops_.size(); }
  /// The number of loops around the place that computes `value`.
  size_t depth(const llvm::Value* value) const;

  /// Moves the arithmetic that gives `value` out of the innermost loop if that does not change it.
  void lift(llvm::Value* value);

  /// `pointer` plus `index` elements, computed once outside of the loops that change neither, or in
  /// this block.
  llvm::Value* element_pointer(llvm::Type* element, llvm::Value* pointer, llvm::Value* index);

 private:
  /// By pointer and index.
  using Pointers = std::map<std::pair<llvm::Value*, llvm::Value*>, llvm::Value*>;
  struct Loop {
    llvm::BasicBlock* before;
    Pointers pointers;  ///< computed there
  };

  Builder& builder_;
  llvm::Function& kernel_;
  std::vector<Loop> loops_;  ///< outermost first
  llvm::BasicBlock* last_block_ = nullptr;
  Pointers in_last_block_;  ///< computed in the block that a pointer was last computed in
  std::unordered_map<const llvm::BasicBlock*, size_t> depths_;
};

}  // namespace tenon::codegen
