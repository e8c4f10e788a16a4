#include "codegen/interleave.h"

#include <llvm/ADT/DenseSet.h>
#include <llvm/IR/Instructions.h>

#include <algorithm>
#include <vector>

namespace tenon::codegen {
namespace {

using llvm::Instruction;

/// Vector instructions of a chain that fill a core's schedulers, so that it does not reach the next
/// chain's by itself.
constexpr size_t kLong = 12;
/// Chains whose instructions take turns.
constexpr size_t kAtOnce = 4;

/// Instructions that follow each other, the last a store of what the others compute.
using Chain = std::vector<Instruction*>;

bool is_invariant_load(const Instruction& instruction) {
  return llvm::isa<llvm::LoadInst>(instruction) &&
         instruction.hasMetadata(llvm::LLVMContext::MD_invariant_load);
}

bool is_long(const Chain& chain) {
  const auto vectors = std::ranges::count_if(
      chain, [](const Instruction* one) { return one->getType()->isVectorTy(); });
  return static_cast<size_t>(vectors) >= kLong;
}

/// Moves instructions to a place, each behind its operands.
class Places {
 public:
  Places(const std::vector<Chain>& chains, Instruction* before) : before_(before) {
    for (const Chain& chain : chains) waiting_.insert(chain.begin(), chain.end());
  }

  void place(Instruction* instruction) {
    if (!waiting_.erase(instruction)) return;
    for (llvm::Value* operand : instruction->operands()) {
      if (auto* needed = llvm::dyn_cast<Instruction>(operand)) place(needed);
    }
    instruction->moveBefore(before_);
  }

 private:
  Instruction* before_;
  llvm::DenseSet<Instruction*> waiting_;
};

/// The chains in turns, counted from their stores: what a chain has beyond the others comes first.
void take_turns(const std::vector<Chain>& chains) {
  const size_t common = std::ranges::min(chains, {}, &Chain::size).size();
  Places places(chains, chains.back().back()->getNextNode());
  for (const Chain& chain : chains) {
    for (size_t i = 0; i + common < chain.size(); ++i) places.place(chain[i]);
  }
  for (size_t left = common; left > 0; --left) {
    for (const Chain& chain : chains) places.place(chain[chain.size() - left]);
  }
}

/// Chains without anything between them, in parts of about equal size.
void take_turns_in_parts(const std::vector<Chain>& run) {
  const size_t parts = (run.size() + kAtOnce - 1) / kAtOnce;
  for (size_t part = 0; part < parts; ++part) {
    const auto at = [&](size_t i) { return run.begin() + static_cast<ptrdiff_t>(i); };
    take_turns({at(part * run.size() / parts), at((part + 1) * run.size() / parts)});
  }
}

}  // namespace

void interleave(llvm::BasicBlock& block) {
  std::vector<Chain> run;
  Chain chain;
  const auto end_run = [&] {
    if (run.size() > 1) take_turns_in_parts(run);
    run.clear();
  };
  std::vector<Instruction*> order;
  for (Instruction& instruction : block) order.push_back(&instruction);
  for (Instruction* instruction : order) {
    if (llvm::isa<llvm::PHINode>(instruction)) continue;
    const bool is_store = llvm::isa<llvm::StoreInst>(instruction);
    if (is_store || (!instruction->mayReadOrWriteMemory() && !instruction->isTerminator()) ||
        is_invariant_load(*instruction)) {
      chain.push_back(instruction);
      if (!is_store) continue;
      if (is_long(chain)) {
        run.push_back(chain);
      } else {
        end_run();
      }
    } else {
      end_run();
    }
    chain.clear();
  }
  end_run();
}

}  // namespace tenon::codegen
