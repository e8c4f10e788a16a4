// Loads and stores of one kernel's buffers, with what LLVM may know about their aliasing.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "base/target.h"
#include "codegen/loop_nest.h"
#include "codegen/types.h"

namespace tenon::codegen {

/// A buffer as the kernel's entry block sees it.
struct BufferValue {
  llvm::Value* pointer;
  llvm::Value* extent;  ///< i64 elements to check accesses against, or null: not checked
};

class Memory {
 public:
  /// `require(ok)` ends the call with TENON_KERNEL_EXTENT unless the i1 `ok` is true. `values` has
  /// one entry per buffer of the function.
  Memory(Builder& builder, LoopNest& nest, const ir::Function& function, const Target& target,
         std::vector<BufferValue> values, std::function<void(llvm::Value* ok)> require);

  /// `mask` is null for all lanes; lanes that it leaves out are not touched and read as zero.
  llvm::Value* load(ir::BufferId buffer, llvm::Value* index, int lanes, llvm::Value* mask);
  /// `indices` are i64.
  llvm::Value* gather(ir::BufferId buffer, llvm::Value* indices, llvm::Value* mask);
  void store(ir::BufferId buffer, llvm::Value* index, llvm::Value* value, llvm::Value* mask);
  void prefetch(ir::BufferId buffer, llvm::Value* index, bool write);

 private:
  /// `ahead`: of what later accesses are about to touch.
  llvm::Value* address(ir::BufferId buffer, llvm::Value* index, bool ahead = false);
  void check_range(ir::BufferId buffer, llvm::Value* index, int lanes, llvm::Value* mask);
  void check_lanes(ir::BufferId buffer, llvm::Value* indices, llvm::Value* mask);
  llvm::Instruction* annotate(ir::BufferId buffer, llvm::Instruction* access);
  llvm::Value* from_memory(ir::BufferId buffer, llvm::Value* value);
  llvm::Value* to_memory(ir::BufferId buffer, llvm::Value* value);
  llvm::Align alignment(ir::BufferId buffer) const;

  Builder& builder_;
  LoopNest& nest_;
  const ir::Function& function_;
  bool indexed_displacement_;
  std::unordered_map<llvm::Value*, int64_t> displacements_;  // that pointers were first used with
  std::vector<BufferValue> values_;
  std::function<void(llvm::Value*)> require_;
  std::vector<llvm::MDNode*> scope_;   // per buffer: its alias scope
  std::vector<llvm::MDNode*> others_;  // per buffer: the scopes of all others
};

}  // namespace tenon::codegen
