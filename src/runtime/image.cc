#include "runtime/image.h"

#include <dlfcn.h>

#include <cstring>

#include "runtime/check_module.h"
#include "runtime/cpu.h"
#include "runtime/error.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tenon::runtime {
namespace {

using Bytes = std::span<const std::byte>;

/// A section of the file as its header gives it.
struct Section {
  const char* name;
  uint64_t offset, bytes, alignment;
};

uint64_t hash(Bytes bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

uint64_t header_hash(tenon_file_header header) {
  header.header_hash = 0;
  return XXH64(&header, sizeof header, 0);
}

int32_t damaged(const char* source, const char* what, tenon_error* error) {
  return fail(error, TENON_ERROR_FORMAT,
              "%s: the file is damaged: %s; copy it again or compile the model again", source,
              what);
}

/// Of the header at `at`, which lies inside the file.
int32_t read_header(Bytes file, uint64_t at, const char* source, tenon_file_header& header,
                    tenon_error* error) {
  const Bytes bytes = file.subspan(at);
  if (bytes.size() < sizeof header.magic ||
      std::memcmp(bytes.data(), TENON_MAGIC, sizeof header.magic) != 0) {
    if (at > 0) return damaged(source, "a header of it is not where it should be", error);
    return fail(error, TENON_ERROR_FORMAT, "%s: not a .tenon file", source);
  }
  // The version comes first: another one may have another header.
  uint32_t version = 0;
  if (bytes.size() < offsetof(tenon_file_header, abi_version) + sizeof version) {
    return damaged(source, "it ends within its header", error);
  }
  std::memcpy(&version, bytes.data() + offsetof(tenon_file_header, abi_version), sizeof version);
  if (version != TENON_ABI_VERSION) {
    return fail(error, TENON_ERROR_FORMAT,
                "%s: made for version %u of the runtime, but this is version %u: compile the model "
                "again",
                source, version, TENON_ABI_VERSION);
  }
  if (bytes.size() < sizeof header) return damaged(source, "it ends within its header", error);
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.header_bytes != sizeof header || header.header_hash != header_hash(header)) {
    return damaged(source, "its header does not match its checksum", error);
  }
  if (!std::memchr(header.target, 0, sizeof header.target) ||
      !std::memchr(header.compiler, 0, sizeof header.compiler)) {
    return damaged(source, "a name in its header does not end", error);
  }
  // Headers come one behind the other: there is a last one.
  const uint64_t next = header.next_offset;
  if (next != 0 && (next <= at || next >= file.size() || next % 64 != 0)) {
    return damaged(source, "the header for its next target is out of place", error);
  }
  return TENON_OK;
}

int32_t check_section(Bytes bytes, const Section& section, const char* source, tenon_error* error) {
  Text what;
  if (section.offset % section.alignment != 0) {
    what.add("its %s is not aligned", section.name);
    return damaged(source, what.c_str(), error);
  }
  if (section.offset > bytes.size() || section.bytes > bytes.size() - section.offset) {
    what.add("its %s should end at byte %llu + %llu, but the file has %zu bytes", section.name,
             static_cast<unsigned long long>(section.offset),
             static_cast<unsigned long long>(section.bytes), bytes.size());
    return damaged(source, what.c_str(), error);
  }
  return TENON_OK;
}

int32_t check_hash(Bytes bytes, uint64_t expected, const char* name, const char* source,
                   tenon_error* error) {
  if (hash(bytes) == expected) return TENON_OK;
  Text what;
  return damaged(source, what.add("its %s does not match its checksum", name).c_str(), error);
}

/// Takes one array after the other from the plan section.
class PlanReader {
 public:
  explicit PlanReader(Bytes plan) : plan_(plan) {}

  /// Null when the section ends before `count` elements.
  template <class T>
  const T* take(uint32_t count) {
    at_ = (at_ + 7) / 8 * 8;
    uint64_t bytes = uint64_t{count} * sizeof(T);
    if (at_ > plan_.size() || bytes > plan_.size() - at_) {
      short_ = true;
      return nullptr;
    }
    const void* start = plan_.data() + at_;
    at_ += bytes;
    return static_cast<const T*>(start);
  }
  bool exact() const { return !short_ && at_ == plan_.size(); }

 private:
  Bytes plan_;
  uint64_t at_ = 0;
  bool short_ = false;
};

bool read_plan(Bytes plan, Image& image) {
  PlanReader reader(plan);
  const auto* counts = reader.take<tenon_plan_header>(1);
  if (!counts || counts->reserved != 0) return false;
  tenon_module& module = image.module;
  module.abi_version = TENON_ABI_VERSION;
  module.slot_count = counts->slot_count;
  module.input_count = counts->input_count;
  module.output_count = counts->output_count;
  module.buffer_count = counts->buffer_count;
  module.step_count = counts->step_count;
  module.step_buffer_count = counts->step_buffer_count;
  module.step_param_count = counts->step_param_count;
  module.kernel_count = counts->kernel_count;
  module.string_bytes = counts->string_bytes;
  module.slots = reader.take<tenon_slot>(counts->slot_count);
  module.inputs = reader.take<tenon_binding>(counts->input_count);
  module.outputs = reader.take<tenon_binding>(counts->output_count);
  module.buffers = reader.take<tenon_buffer>(counts->buffer_count);
  module.steps = reader.take<tenon_step>(counts->step_count);
  module.step_buffers = reader.take<uint32_t>(counts->step_buffer_count);
  module.step_params = reader.take<uint32_t>(counts->step_param_count);
  image.kernel_offsets = {reader.take<uint64_t>(counts->kernel_count), counts->kernel_count};
  module.strings = reader.take<char>(counts->string_bytes);
  return reader.exact();
}

/// Refuses when this machine cannot run code for `target`.
int32_t check_cpu(const char* target, const char* source, tenon_error* error) {
  switch (cpu_fit(target)) {
    case Fit::kRuns: return TENON_OK;
    case Fit::kTooOld:
      return fail(error, TENON_ERROR_CPU,
                  "%s: compiled for '%s', but this CPU lacks instructions of it: compile the model "
                  "for this machine",
                  source, target);
    case Fit::kUnknownTarget: break;
  }
  return fail(error, TENON_ERROR_CPU,
              "%s: compiled for '%s', which this runtime does not know: compile the model for this "
              "machine",
              source, target);
}

/// The function "symbol@library"; null, and an error, where there is none. The library stays
/// loaded.
const void* find_foreign(const char* name, const char* source, tenon_error* error) {
  const char* at = std::strchr(name, '@');
  Text symbol;
  symbol.add("%.*s", at ? static_cast<int>(at - name) : 0, name);
  void* library = at ? dlopen(at + 1, RTLD_NOW | RTLD_LOCAL) : nullptr;
  const void* found = library ? dlsym(library, symbol.c_str()) : nullptr;
  if (found) return found;
  const char* why = at ? dlerror() : "it names no library";
  fail(error, TENON_ERROR_IO,
       "%s: cannot find its function '%s' (%s): put the library where the model names it, or where "
       "LD_LIBRARY_PATH points",
       source, name, why ? why : "it is null");
  return nullptr;
}

}  // namespace

int32_t Image::set_code(const void* code, const char* source, tenon_error* error) {
  if (!kernels.reset(kernel_offsets.size())) {
    return fail(error, TENON_ERROR_MEMORY, "%s: no memory left to load the model", source);
  }
  for (size_t i = 0; i < kernel_offsets.size(); ++i) {
    const uint64_t offset = kernel_offsets[i];
    const void* start =
        offset & TENON_KERNEL_FOREIGN
            ? find_foreign(module.strings + (offset & ~TENON_KERNEL_FOREIGN), source, error)
            : static_cast<const std::byte*>(code) + offset;
    if (!start) return error->code;
    std::memcpy(&kernels[i], &start, sizeof start);
  }
  module.kernels = kernels.data();
  return TENON_OK;
}

int32_t read_image(Bytes bytes, uint64_t at, const char* source, Weights weights, Image& image,
                   tenon_error* error) {
  tenon_file_header& header = image.header;
  if (int32_t code = read_header(bytes, at, source, header, error)) return code;
  const Section sections[] = {
      {"plan", header.plan_offset, header.plan_bytes, 64},
      {"code", header.code_offset, header.code_bytes, 4096},
      {"weights section", header.weights_offset, header.weights_bytes, 4096},
      {"info", header.info_offset, header.info_bytes, 64},
  };
  for (const Section& section : sections) {
    if (int32_t code = check_section(bytes, section, source, error)) return code;
  }
  Bytes plan = bytes.subspan(header.plan_offset, header.plan_bytes);
  if (int32_t code = check_hash(plan, header.plan_hash, "plan", source, error)) return code;
  Bytes image_code = bytes.subspan(header.code_offset, header.code_bytes);
  if (int32_t code = check_hash(image_code, header.code_hash, "code", source, error)) return code;
  Bytes image_weights = bytes.subspan(header.weights_offset, header.weights_bytes);
  if (weights == Weights::kVerify) {
    if (int32_t code =
            check_hash(image_weights, header.weights_hash, "weights section", source, error)) {
      return code;
    }
  }
  image.module = {};
  if (!read_plan(plan, image)) return damaged(source, "its plan has the wrong size", error);
  for (uint64_t offset : image.kernel_offsets) {
    const bool foreign = offset & TENON_KERNEL_FOREIGN;
    if (foreign ? (offset & ~TENON_KERNEL_FOREIGN) >= image.module.string_bytes
                : offset >= header.code_bytes)
      return damaged(source, "a kernel lies outside its code", error);
  }
  image.module.weights = image_weights.data();
  image.module.weight_bytes = image_weights.size();
  return check_module(image.module, source, error);
}

int32_t read_fitting_image(Bytes bytes, const char* source, const char* target, Image& image,
                           tenon_error* error) {
  for (uint64_t at = 0;;) {
    tenon_file_header header;
    if (int32_t code = read_header(bytes, at, source, header, error)) return code;
    const bool fits = target ? std::strcmp(target, header.target) == 0
                             : cpu_fit(header.target) == Fit::kRuns || header.next_offset == 0;
    if (fits) {
      if (int32_t code = read_image(bytes, at, source, Weights::kTrust, image, error)) return code;
      return check_cpu(header.target, source, error);
    }
    at = header.next_offset;
    if (at == 0) {
      return fail(error, TENON_ERROR_CPU, "%s: it has no code for '%s'", source, target);
    }
  }
}

int32_t verify_images(Bytes bytes, const char* source, tenon_error* error) {
  uint64_t at = 0;
  do {
    Image image;
    if (int32_t code = read_image(bytes, at, source, Weights::kVerify, image, error)) return code;
    at = image.header.next_offset;
  } while (at != 0);
  return TENON_OK;
}

}  // namespace tenon::runtime
