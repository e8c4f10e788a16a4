#include <fmt/format.h>
#include <link.h>
#include <llvm-c/Core.h>

#include <cstring>

#include "base/align.h"
#include "codegen/codegen.h"
#include "codegen/instrument.h"

namespace tenon::codegen {
namespace {

/// Where an address lies, and the build of the program or library there.
struct Search {
  uintptr_t address;
  std::string build;
};

std::string note_of_build(const char* note, size_t bytes) {
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, note, sizeof(header));
    const size_t name = aligned(header.n_namesz, 4), text = aligned(header.n_descsz, 4);
    const size_t total = sizeof(header) + name + text;
    if (total > bytes) break;
    const char* start = note + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == sizeof(ELF_NOTE_GNU) &&
        std::memcmp(start, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
      std::string hex;
      for (size_t i = 0; i < header.n_descsz; ++i)
        hex += fmt::format("{:02x}", static_cast<unsigned char>(start[name + i]));
      return hex;
    }
    note += total;
    bytes -= total;
  }
  return {};
}

int visit(dl_phdr_info* object, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool here = false;
  std::string build;
  for (const ElfW(Phdr) & part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    const uintptr_t start = object->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD)
      here = here || (search.address >= start && search.address - start < part.p_memsz);
    if (part.p_type == PT_NOTE && build.empty())
      build = note_of_build(reinterpret_cast<const char*>(start), part.p_memsz);
  }
  if (here) search.build = build;
  return here;
}

template <class F>
std::string build_of(F* function) {
  Search search{reinterpret_cast<uintptr_t>(function), {}};
  dl_iterate_phdr(visit, &search);
  return search.build;
}

}  // namespace

std::string generator_identity() {
  const std::string ours = build_of(&generator_identity);
  // Any function that only the library has.
  const std::string llvm = build_of(&LLVMContextCreate);
  if (ours.empty() || llvm.empty()) return "";
  std::string identity = ours + " " + llvm;
  if constexpr (kInstruments) identity += fmt::format(" {:x}", sanitizer_address());
  return identity;
}

}  // namespace tenon::codegen
