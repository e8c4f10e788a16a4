// Reads the bytes of a .tenon file (layout: abi.h). Nothing is used before it was checked.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/abi.h"
#include "runtime/array.h"

namespace tenon::runtime {

/// A checked file: where its parts are, as offsets and as a module that points into the bytes. The
/// module's kernels are null until `set_code`.
struct Image {
  tenon_file_header header;
  tenon_module module;
  std::span<const uint64_t> kernel_offsets;  ///< into the code
  Array<tenon_kernel> kernels;

  /// Points the kernels into the mapped code; false when memory is short.
  [[nodiscard]] bool set_code(const void* code);
};

/// Which hashes to verify beyond header, plan and code.
enum class Weights { kTrust, kVerify };

/// Fills `image` from the bytes of a file, checking all but the CPU. Gives TENON_OK, or
/// TENON_ERROR_FORMAT with a sentence that starts with `source`. `bytes` must be 8-byte aligned and
/// outlive the image.
int32_t read_image(std::span<const std::byte> bytes, const char* source, Weights weights,
                   Image& image, tenon_error* error);

/// Refuses with TENON_ERROR_CPU when this machine cannot run code for `target`.
int32_t check_cpu(const char* target, const char* source, tenon_error* error);

}  // namespace tenon::runtime
