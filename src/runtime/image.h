// Reads the bytes of a .tenon file (layout: abi.h). Nothing is used before it was checked.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/abi.h"
#include "runtime/array.h"

namespace tenon::runtime {

/// What a checked file has for one target: where its parts are, as offsets and as a module that
/// points into the bytes. The module's kernels are null until `set_code`.
struct Image {
  tenon_file_header header;
  tenon_module module;
  std::span<const uint64_t> kernel_offsets;  ///< into the code
  Array<tenon_kernel> kernels;

  /// Points the kernels into the mapped code, and at the foreign functions that they name.
  /// TENON_ERROR_MEMORY, or TENON_ERROR_IO where a function is not found.
  int32_t set_code(const void* code, const char* source, tenon_error* error);
};

/// Which hashes to verify beyond header, plan and code.
enum class Weights { kTrust, kVerify };

/// Fills `image` from the bytes of a file, by the header at the offset `at`, checking all but the
/// CPU. Gives TENON_OK, or TENON_ERROR_FORMAT with a sentence that starts with `source`. `bytes`
/// must be 8-byte aligned and outlive the image.
int32_t read_image(std::span<const std::byte> bytes, uint64_t at, const char* source,
                   Weights weights, Image& image, tenon_error* error);

/// The same for code that this machine can run: for `target`, or where that is null for the first
/// target of the file that fits. TENON_ERROR_CPU when there is none.
int32_t read_fitting_image(std::span<const std::byte> bytes, const char* source, const char* target,
                           Image& image, tenon_error* error);

/// Checks what the file has for every target, and the hash of the weights.
int32_t verify_images(std::span<const std::byte> bytes, const char* source, tenon_error* error);

}  // namespace tenon::runtime
