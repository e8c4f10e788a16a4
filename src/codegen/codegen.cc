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
#include "codegen/instrument.h"
#include "codegen/link.h"

namespace tenon::codegen {
namespace {

/// Where code may be moved to: AArch64 reaches its constants by page, others by distance alone.
uint64_t alignment(const Target& target) {
  return target.triple.starts_with("aarch64") ? 4096 : 64;
}

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
    // scheduler would move loads of later steps up until accumulators spill. So are the blocks,
    // which CodeGenPrepare would join.
    auto set = [](llvm::StringRef option, llvm::StringRef value) {
      llvm::cl::getRegisteredOptions().lookup(option)->addOccurrence(1, option, value);
    };
    set("disable-lsr", "true");
    set("enable-misched", "false");
    set("disable-cgp", "true");
    // Stores are as wide as they can be, and masks in mask registers.
    set("combiner-store-merging", "false");
    set("disable-x86-domain-reassignment", "true");
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
  std::string symbol;  // of the function
};

std::unique_ptr<Unit> make_unit(const ir::Function& function, const Target& target, bool checked,
                                const llvm::TargetMachine& machine) {
  auto unit = std::make_unique<Unit>();
  unit->module = std::make_unique<llvm::Module>("tenon", unit->context);
  unit->module->setTargetTriple(target.triple);
  unit->module->setDataLayout(machine.createDataLayout());
  unit->symbol = emit(function, target, checked, *unit->module)->getName().str();
  return unit;
}

llvm::SmallVector<char, 0> write(Unit& unit, llvm::TargetMachine& machine,
                                 llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> output;
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  bool unsupported = machine.addPassesToEmitFile(passes, stream, nullptr, type, true);
  TENON_CHECK(!unsupported, "LLVM cannot write this kind of file");
  passes.run(*unit.module);
  return output;
}

Code generate_one(const ir::Function& function, const Target& target, bool checked,
                  llvm::TargetMachine& machine) {
  std::unique_ptr<Unit> unit = make_unit(function, target, checked, machine);
  if constexpr (kInstruments) {
    if (host_can_run(target)) instrument(*unit->module);
  }
  llvm::SmallVector<char, 0> object = write(*unit, machine, llvm::CodeGenFileType::ObjectFile);
  return link(llvm::MemoryBufferRef({object.data(), object.size()}, "kernel"), unit->symbol);
}

}  // namespace

std::vector<Code> generate(std::span<const ir::Function* const> functions, const Target& target,
                           const CodegenOptions& options) {
  std::vector<Code> codes(functions.size());
  std::vector<std::exception_ptr> failures(functions.size());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    std::unique_ptr<llvm::TargetMachine> machine;
    for (size_t i = next++; i < functions.size(); i = next++) {
      try {
        if (!machine) machine = make_machine(target);
        codes[i] = generate_one(*functions[i], target, options.checked, *machine);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    const auto threads = static_cast<size_t>(std::max(options.threads, 1));
    for (size_t i = 1; i < std::min(functions.size(), threads); ++i) helpers.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return codes;
}

Image join(std::span<const Code> codes, const Target& target) {
  const uint64_t align = alignment(target);
  Image image;
  for (const Code& code : codes) {
    const size_t start = (image.code.size() + align - 1) / align * align;
    image.code.resize(start);
    image.code.insert(image.code.end(), code.bytes.begin(), code.bytes.end());
    image.entries.push_back(start + code.entry);
  }
  return image;
}

Image compile(std::span<const ir::Function> functions, const Target& target,
              const CodegenOptions& options) {
  std::vector<const ir::Function*> pointers;
  for (const ir::Function& function : functions) pointers.push_back(&function);
  return join(generate(pointers, target, options), target);
}

std::string llvm_text(const ir::Function& function, const Target& target,
                      const CodegenOptions& options) {
  auto machine = make_machine(target);
  auto unit = make_unit(function, target, options.checked, *machine);
  std::string text;
  llvm::raw_string_ostream stream(text);
  unit->module->print(stream, nullptr);
  return text;
}

std::string assembly(const ir::Function& function, const Target& target,
                     const CodegenOptions& options) {
  auto machine = make_machine(target);
  auto unit = make_unit(function, target, options.checked, *machine);
  auto text = write(*unit, *machine, llvm::CodeGenFileType::AssemblyFile);
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
