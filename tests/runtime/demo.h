// The demo module for tests: its inputs, expected results, and files that hold it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/abi.h"
#include "runtime/demo_module.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tenon::runtime::testing {

constexpr int64_t kColumns = 64;

inline tenon_tensor tensor(void* data, std::vector<int64_t> dims, uint32_t dtype = TENON_F32) {
  tenon_tensor result = {data, dtype, static_cast<uint32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), result.dims);
  return result;
}

/// Small integers, so that sums are exact in any order.
inline std::vector<float> demo_input(int64_t rows, int seed = 0) {
  std::vector<float> x(static_cast<size_t>(rows * kColumns));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(static_cast<int>((i * 7 + static_cast<size_t>(seed)) % 11) - 5);
  }
  return x;
}

inline std::vector<float> demo_output(const std::vector<float>& x) {
  std::vector<float> sums(x.size() / kColumns);
  for (size_t i = 0; i < x.size(); ++i) {
    float weight = static_cast<float>(static_cast<int>(i % kColumns) - 32);
    sums[i / kColumns] += std::max(x[i] * weight, 0.0f);
  }
  return sums;
}

/// A name for the target of this machine, which its own code can be put into a file with.
inline const char* host_target() {
#if defined(__x86_64__)
  return "x86-64-v3";
#else
  return "neoverse-n1";
#endif
}

/// The bytes of a file, starting at a multiple of 4096, which can be changed and sealed again.
class FileBytes {
 public:
  explicit FileBytes(size_t size) : storage_(size + 4096), size_(size) {}
  std::byte* data() {
    auto address = reinterpret_cast<uintptr_t>(storage_.data());
    return storage_.data() + (4096 - address % 4096) % 4096;
  }
  size_t size() const { return size_; }
  tenon_file_header& header() { return *reinterpret_cast<tenon_file_header*>(data()); }
  /// Hashes made right, as they are after a change on purpose.
  void seal() {
    tenon_file_header& h = header();
    h.plan_hash = XXH64(data() + h.plan_offset, h.plan_bytes, 0);
    h.code_hash = XXH64(data() + h.code_offset, h.code_bytes, 0);
    h.weights_hash = XXH64(data() + h.weights_offset, h.weights_bytes, 0);
    seal_header();
  }
  void seal_header() {
    header().header_hash = 0;
    header().header_hash = XXH64(data(), sizeof(tenon_file_header), 0);
  }

 private:
  std::vector<std::byte> storage_;
  size_t size_;
};

/// Appends one array of a plan section, aligned to 8 bytes.
template <class T>
void append(std::vector<std::byte>& plan, const T* items, size_t count) {
  plan.resize((plan.size() + 7) / 8 * 8);
  size_t at = plan.size();
  plan.resize(at + count * sizeof(T));
  if (count > 0) std::memcpy(plan.data() + at, items, count * sizeof(T));
}

/// The file of a module whose kernels begin in `code`.
inline FileBytes file_of(const tenon_module& m, tenon_demo_code code) {
  std::vector<std::byte> plan;
  tenon_plan_header counts = {
      m.slot_count,        m.input_count,      m.output_count, m.buffer_count, m.step_count,
      m.step_buffer_count, m.step_param_count, m.kernel_count, m.string_bytes, 0};
  append(plan, &counts, 1);
  append(plan, m.slots, m.slot_count);
  append(plan, m.inputs, m.input_count);
  append(plan, m.outputs, m.output_count);
  append(plan, m.buffers, m.buffer_count);
  append(plan, m.steps, m.step_count);
  append(plan, m.step_buffers, m.step_buffer_count);
  append(plan, m.step_params, m.step_param_count);
  std::vector<uint64_t> kernels;
  for (uint32_t i = 0; i < m.kernel_count; ++i) {
    kernels.push_back(reinterpret_cast<uintptr_t>(m.kernels[i]) -
                      reinterpret_cast<uintptr_t>(code.start));
  }
  append(plan, kernels.data(), kernels.size());
  append(plan, m.strings, m.string_bytes);

  uint64_t plan_offset = (sizeof(tenon_file_header) + 63) / 64 * 64;
  uint64_t code_offset = (plan_offset + plan.size() + 4095) / 4096 * 4096;
  uint64_t weights_offset = (code_offset + code.bytes + 4095) / 4096 * 4096;
  FileBytes file(weights_offset + m.weight_bytes);
  tenon_file_header& header = file.header();
  std::memcpy(header.magic, TENON_MAGIC, sizeof header.magic);
  header.abi_version = TENON_ABI_VERSION;
  header.header_bytes = sizeof header;
  std::strcpy(header.target, host_target());
  std::strcpy(header.compiler, "tests");
  header.plan_offset = plan_offset;
  header.plan_bytes = plan.size();
  header.code_offset = code_offset;
  header.code_bytes = code.bytes;
  header.weights_offset = weights_offset;
  header.weights_bytes = m.weight_bytes;
  std::memcpy(file.data() + plan_offset, plan.data(), plan.size());
  std::memcpy(file.data() + code_offset, code.start, code.bytes);
  std::memcpy(file.data() + weights_offset, m.weights, m.weight_bytes);
  file.seal();
  return file;
}

inline FileBytes demo_file() { return file_of(*tenon_demo_module(), tenon_demo_module_code()); }

}  // namespace tenon::runtime::testing
