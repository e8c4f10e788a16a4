#include "codegen/link.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>

#include <map>

#include "base/result.h"

namespace tenon::codegen {
namespace {

using llvm::Error;
using llvm::BitmaskEnumDetail::operator&;  // NOLINT(misc-unused-using-decls): of MemProt
namespace jitlink = llvm::jitlink;

// Any page-aligned address serves: nothing in the image depends on it.
constexpr uint64_t kBase = uint64_t{1} << 32;

Error problem(const std::string& what) { return llvm::createStringError(what); }

class Allocation : public jitlink::JITLinkMemoryManager::InFlightAlloc {
 public:
  void abandon(OnAbandonedFunction done) override { done(Error::success()); }
  void finalize(OnFinalizedFunction done) override {
    done(jitlink::JITLinkMemoryManager::FinalizedAlloc(llvm::orc::ExecutorAddr(kBase)));
  }
};

/// Places all segments in one buffer, as if it were loaded at kBase.
class FlatMemory : public jitlink::JITLinkMemoryManager {
 public:
  explicit FlatMemory(std::vector<std::byte>& bytes) : bytes_(bytes) {}

  void allocate(const jitlink::JITLinkDylib*, jitlink::LinkGraph& graph,
                OnAllocatedFunction done) override {
    jitlink::BasicLayout layout(graph);
    std::vector<uint64_t> offsets;
    uint64_t size = 0;
    for (auto& [group, segment] : layout.segments()) {
      if ((group.getMemProt() & llvm::orc::MemProt::Write) != llvm::orc::MemProt::None) {
        return done(problem("the object has writable data"));
      }
      size = llvm::alignTo(size, segment.Alignment);
      offsets.push_back(size);
      size += segment.ContentSize + segment.ZeroFillSize;
    }
    bytes_.assign(size, std::byte{0});
    auto offset = offsets.begin();
    for (auto& [group, segment] : layout.segments()) {
      segment.Addr = llvm::orc::ExecutorAddr(kBase + *offset);
      segment.WorkingMem = reinterpret_cast<char*>(bytes_.data() + *offset);
      ++offset;
    }
    if (Error error = layout.apply()) return done(std::move(error));
    done(std::make_unique<Allocation>());
  }

  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& allocation : allocations) allocation.release();
    done(Error::success());
  }

 private:
  std::vector<std::byte>& bytes_;
};

struct Outcome {
  std::vector<std::byte> bytes;
  std::map<std::string, uint64_t> offsets;
  std::string error;
  bool finished = false;
};

class Context : public jitlink::JITLinkContext {
 public:
  explicit Context(Outcome& outcome)
      : JITLinkContext(nullptr), outcome_(outcome), memory_(outcome.bytes) {}

  jitlink::JITLinkMemoryManager& getMemoryManager() override { return memory_; }

  void notifyFailed(Error error) override { outcome_.error = llvm::toString(std::move(error)); }

  void lookup(const LookupMap& symbols,
              std::unique_ptr<jitlink::JITLinkAsyncLookupContinuation> next) override {
    if (symbols.empty()) return next->run(jitlink::AsyncLookupResult());
    next->run(problem("undefined symbol " + symbols.begin()->first.str()));
  }

  Error notifyResolved(jitlink::LinkGraph& graph) override {
    for (jitlink::Block* block : graph.blocks()) {
      for (const jitlink::Edge& edge : block->edges()) {
        // JITLink names every kind of absolute address so, on each architecture.
        if (edge.isRelocation() &&
            llvm::StringRef(graph.getEdgeKindName(edge.getKind())).starts_with("Pointer")) {
          return problem("the object has an absolute address");
        }
      }
    }
    for (jitlink::Symbol* symbol : graph.defined_symbols()) {
      if (symbol->hasName()) {
        outcome_.offsets[symbol->getName().str()] = symbol->getAddress().getValue() - kBase;
      }
    }
    return Error::success();
  }

  void notifyFinalized(jitlink::JITLinkMemoryManager::FinalizedAlloc allocation) override {
    allocation.release();
    outcome_.finished = true;
  }

 private:
  Outcome& outcome_;
  FlatMemory memory_;
};

}  // namespace

Code link(llvm::MemoryBufferRef object, const std::string& symbol) {
  auto graph = jitlink::createLinkGraphFromObject(object);
  if (!graph) internal_error(llvm::toString(graph.takeError()), __FILE__, __LINE__);
  Outcome outcome;
  jitlink::link(std::move(*graph), std::make_unique<Context>(outcome));
  TENON_CHECK(outcome.finished, "cannot link: " + outcome.error);
  const auto found = outcome.offsets.find(symbol);
  TENON_CHECK(found != outcome.offsets.end(), "no code for " + symbol);
  return {std::move(outcome.bytes), found->second};
}

}  // namespace tenon::codegen
