#include "codegen/codegen.h"

#include <fmt/format.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "base/result.h"
#include "codegen/emit.h"
#include "codegen/link.h"

namespace tenon::codegen {
namespace {

// Independent of the number of threads, so that the image is too.
constexpr size_t kFunctionsPerModule = 8;
constexpr uint64_t kPage = 4096;

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target) {
  static const bool initialized = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    // Our addresses are in final form (memory.cc), and so is the order of instructions: the
    // scheduler would move loads of later steps up until accumulators spill.
    auto set = [](llvm::StringRef option, llvm::StringRef value) {
      llvm::cl::getRegisteredOptions().lookup(option)->addOccurrence(1, option, value);
    };
    set("disable-lsr", "true");
    set("enable-misched", "false");
    return true;
  }();
  static_cast<void>(initialized);
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(target.triple, error);
  TENON_CHECK(found, fmt::format("no code generator for {}: {}", target.triple, error));
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      target.triple, target.cpu, target.features, llvm::TargetOptions(), llvm::Reloc::PIC_,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Less));
  TENON_CHECK(machine, "cannot make code for " + target.name);
  return machine;
}

struct Unit {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  std::vector<std::string> symbols;  // of the functions, in order
};

std::unique_ptr<Unit> make_unit(std::span<const ir::Function> functions, const Target& target,
                                bool checked, const llvm::TargetMachine& machine) {
  auto unit = std::make_unique<Unit>();
  unit->module = std::make_unique<llvm::Module>("tenon", unit->context);
  unit->module->setTargetTriple(target.triple);
  unit->module->setDataLayout(machine.createDataLayout());
  for (const ir::Function& function : functions) {
    llvm::Function* kernel = emit(function, target, checked, *unit->module);
    unit->symbols.push_back(kernel->getName().str());
  }
  return unit;
}

llvm::SmallVector<char, 0> generate(Unit& unit, llvm::TargetMachine& machine,
                                    llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> output;
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  bool unsupported = machine.addPassesToEmitFile(passes, stream, nullptr, type, true);
  TENON_CHECK(!unsupported, "LLVM cannot write this kind of file");
  passes.run(*unit.module);
  return output;
}

Image compile_unit(std::span<const ir::Function> functions, const Target& target, bool checked,
                   llvm::TargetMachine& machine) {
  std::unique_ptr<Unit> unit = make_unit(functions, target, checked, machine);
  llvm::SmallVector<char, 0> object = generate(*unit, machine, llvm::CodeGenFileType::ObjectFile);
  return link(llvm::MemoryBufferRef({object.data(), object.size()}, "kernels"), unit->symbols);
}

}  // namespace

Image compile(std::span<const ir::Function> functions, const Target& target,
              const CodegenOptions& options) {
  size_t units = (functions.size() + kFunctionsPerModule - 1) / kFunctionsPerModule;
  std::vector<Image> parts(units);
  std::vector<std::exception_ptr> failures(units);
  std::atomic<size_t> next = 0;
  auto work = [&] {
    std::unique_ptr<llvm::TargetMachine> machine;
    for (size_t unit = next++; unit < units; unit = next++) {
      try {
        if (!machine) machine = make_machine(target);
        size_t first = unit * kFunctionsPerModule;
        size_t count = std::min(kFunctionsPerModule, functions.size() - first);
        parts[unit] =
            compile_unit(functions.subspan(first, count), target, options.checked, *machine);
      } catch (...) {
        failures[unit] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min(units, static_cast<size_t>(std::max(options.threads, 1)));
         ++i) {
      helpers.emplace_back(work);
    }
    work();
  }
  Image image;
  for (size_t unit = 0; unit < units; ++unit) {
    if (failures[unit]) std::rethrow_exception(failures[unit]);
    // Every part was linked for a page-aligned place.
    size_t start = (image.code.size() + kPage - 1) / kPage * kPage;
    image.code.resize(start);
    image.code.insert(image.code.end(), parts[unit].code.begin(), parts[unit].code.end());
    for (uint64_t entry : parts[unit].entries) image.entries.push_back(start + entry);
  }
  return image;
}

std::string llvm_text(const ir::Function& function, const Target& target,
                      const CodegenOptions& options) {
  auto machine = make_machine(target);
  auto unit = make_unit({&function, 1}, target, options.checked, *machine);
  std::string text;
  llvm::raw_string_ostream stream(text);
  unit->module->print(stream, nullptr);
  return text;
}

std::string assembly(const ir::Function& function, const Target& target,
                     const CodegenOptions& options) {
  auto machine = make_machine(target);
  auto unit = make_unit({&function, 1}, target, options.checked, *machine);
  auto text = generate(*unit, *machine, llvm::CodeGenFileType::AssemblyFile);
  return {text.begin(), text.end()};
}

std::optional<uint64_t> static_scratch_bytes(const ir::Function& function) {
  uint64_t bytes = 0;
  for (const ir::Buffer& buffer : function.buffers) {
    if (buffer.kind != ir::BufferKind::kScratch) continue;
    const ir::Expr& extent = function.expr(buffer.extent);
    if (extent.kind != ir::ExprKind::kInteger) return std::nullopt;
    bytes += (static_cast<uint64_t>(extent.bits * ir::size_of(buffer.dtype)) + 63) / 64 * 64;
  }
  return bytes;
}

}  // namespace tenon::codegen
