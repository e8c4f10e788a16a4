#include "codegen/instrument.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

#include <dlfcn.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/PassManager.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/Instrumentation/AddressSanitizer.h>
#include <llvm/Transforms/Instrumentation/ThreadSanitizer.h>
#include <llvm/Transforms/Scalar/ScalarizeMaskedMemIntrin.h>

#include <string>

#include "base/result.h"

namespace tenon::codegen {
namespace {

uint64_t address_of(const std::string& symbol) {
  void* address = dlsym(RTLD_DEFAULT, symbol.c_str());
  TENON_CHECK(address, "the sanitizer has no function " + symbol);
  return reinterpret_cast<uintptr_t>(address);
}

#if defined(__SANITIZE_ADDRESS__)

constexpr const char* kAnyCallback = "__asan_load4";

void prepare(llvm::Function& function) { function.addFnAttr(llvm::Attribute::SanitizeAddress); }

void add_passes(llvm::ModulePassManager& passes) {
  llvm::AddressSanitizerOptions options;
  options.InstrumentationWithCallsThreshold = 0;  // no access is checked in line
  options.InsertVersionCheck = false;
  passes.addPass(llvm::AddressSanitizerPass(options, false, false, llvm::AsanDtorKind::None,
                                            llvm::AsanCtorKind::None));
}

#else

constexpr const char* kAnyCallback = "__tsan_read4";

/// LLVM's pass leaves out what is wider than 16 bytes.
void report_wide_accesses(llvm::Function& function) {
  const llvm::DataLayout& layout = function.getDataLayout();
  llvm::IRBuilder<> builder(function.getContext());
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    const llvm::Value* pointer = llvm::getLoadStorePointerOperand(&instruction);
    if (!pointer) continue;
    const uint64_t bytes = layout.getTypeStoreSize(llvm::getLoadStoreType(&instruction));
    if (bytes <= 16) continue;
    builder.SetInsertPoint(&instruction);
    const char* name =
        llvm::isa<llvm::LoadInst>(instruction) ? "__tsan_read_range" : "__tsan_write_range";
    builder.CreateCall(function.getParent()->getOrInsertFunction(
                           name, builder.getVoidTy(), builder.getPtrTy(), builder.getInt64Ty()),
                       {const_cast<llvm::Value*>(pointer), builder.getInt64(bytes)});
  }
}

struct ReportWideAccesses : llvm::PassInfoMixin<ReportWideAccesses> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
    report_wide_accesses(function);
    return llvm::PreservedAnalyses::none();
  }
};

void prepare(llvm::Function& function) { function.addFnAttr(llvm::Attribute::SanitizeThread); }

void add_passes(llvm::ModulePassManager& passes) {
  llvm::FunctionPassManager each;
  each.addPass(llvm::ScalarizeMaskedMemIntrinPass());  // which LLVM's pass leaves out, too
  each.addPass(ReportWideAccesses());
  each.addPass(llvm::ThreadSanitizerPass());
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(each)));
}

#endif

void run_passes(llvm::Module& module) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes;
  add_passes(passes);
  passes.run(module, modules);
}

void write_addresses(llvm::Module& module) {
  for (llvm::Function& callee : llvm::make_early_inc_range(module)) {
    if (!callee.isDeclaration() || callee.isIntrinsic()) continue;
    if (!callee.use_empty()) {
      auto* address = llvm::ConstantInt::get(llvm::Type::getInt64Ty(module.getContext()),
                                             address_of(callee.getName().str()));
      callee.replaceAllUsesWith(llvm::ConstantExpr::getIntToPtr(address, callee.getType()));
    }
    callee.eraseFromParent();
  }
}

}  // namespace

void instrument(llvm::Module& module) {
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    prepare(function);
    function.addFnAttr("frame-pointer", "all");  // reports walk the stack
  }
  run_passes(module);
  write_addresses(module);
}

uint64_t sanitizer_address() { return address_of(kAnyCallback); }

}  // namespace tenon::codegen

#endif
