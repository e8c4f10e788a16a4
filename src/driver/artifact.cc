#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>

#include "base/align.h"
#include "driver/plan.h"
#include "driver/version.h"

namespace tenon::driver {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPart = 8 << 20;  // bytes written at once, whole pages

/// The plan section: the header, then every array aligned to 8 bytes.
std::vector<std::byte> plan_section(const ArtifactParts& parts) {
  std::vector<std::byte> bytes;
  auto append = [&](const void* data, size_t count) {
    bytes.resize(aligned(bytes.size(), 8));
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + count);
  };
  auto append_all = [&](const auto& array) {
    append(array.data(), array.size() * sizeof(array[0]));
  };
  const Plan& plan = parts.plan;
  std::vector<uint64_t> kernels(parts.entries.begin(), parts.entries.end());
  for (uint64_t name : plan.foreign) kernels.push_back(TENON_KERNEL_FOREIGN | name);
  auto count = [](const auto& array) { return static_cast<uint32_t>(array.size()); };
  const tenon_plan_header header = {count(plan.slots),       count(plan.inputs),
                                    count(plan.outputs),     count(plan.buffers),
                                    count(plan.steps),       count(plan.step_buffers),
                                    count(plan.step_params), count(kernels),
                                    count(plan.strings),     0};
  append(&header, sizeof(header));
  append_all(plan.slots);
  append_all(plan.inputs);
  append_all(plan.outputs);
  append_all(plan.buffers);
  append_all(plan.steps);
  append_all(plan.step_buffers);
  append_all(plan.step_params);
  append_all(kernels);
  append_all(plan.strings);
  return bytes;
}

/// Calls `done` with each part that is in the file.
Result<void> save_parts(std::span<const std::byte> bytes, const std::filesystem::path& path,
                        const std::function<void(std::span<const std::byte>)>& done) {
  // Renaming would take the place of a device.
  if (std::filesystem::exists(path) && !std::filesystem::is_regular_file(path)) {
    return fail(ErrorKind::kIo, fmt::format("'{}' is not a file to write to", path.string()));
  }
  std::string temporary = path.string() + ".XXXXXX";
  const int file = mkstemp(temporary.data());
  auto failed = [&] {
    const std::string why = std::strerror(errno);
    if (file >= 0) {
      close(file);
      unlink(temporary.c_str());
    }
    return fail(ErrorKind::kIo, fmt::format("cannot write '{}': {}", path.string(), why));
  };
  if (file < 0) return failed();
  while (!bytes.empty()) {
    const std::span<const std::byte> part = bytes.first(std::min(bytes.size(), kPart));
    for (std::span<const std::byte> rest = part; !rest.empty();) {
      const ssize_t written = write(file, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed();
      rest = rest.subspan(static_cast<size_t>(written));
    }
    done(part);
    bytes = bytes.subspan(part.size());
  }
  if (fchmod(file, 0644) != 0 || rename(temporary.c_str(), path.c_str()) != 0) return failed();
  close(file);
  return {};
}

}  // namespace

Artifact::Artifact(size_t bytes) : size_(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // fewer faults while it is filled
  memory_ = {static_cast<std::byte*>(memory), [bytes](std::byte* p) { munmap(p, bytes); }};
}

Result<void> save(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  return save_parts(bytes, path, [](std::span<const std::byte>) {});
}

Result<void> save_and_release(Artifact artifact, const std::filesystem::path& path) {
  const bool is_shared = artifact.memory_.use_count() > 1;
  return save_parts(artifact.bytes(), path, [&](std::span<const std::byte> part) {
    if (is_shared) return;
    // The last part ends within a page, of which the system takes the rest too.
    madvise(const_cast<std::byte*>(part.data()), part.size(), MADV_DONTNEED);
  });
}

Result<Artifact> write_artifact(const ArtifactParts& parts, const WriteWeights& write_weights) {
  const std::vector<std::byte> plan = plan_section(parts);
  tenon_file_header header = {};
  std::memcpy(header.magic, TENON_MAGIC, sizeof(header.magic));
  header.abi_version = TENON_ABI_VERSION;
  header.header_bytes = sizeof(header);
  parts.target.name.copy(header.target, sizeof(header.target) - 1);
  kVersion.copy(header.compiler, sizeof(header.compiler) - 1);
  header.plan_offset = aligned(sizeof(header), 64);
  header.plan_bytes = plan.size();
  header.info_offset = aligned(header.plan_offset + header.plan_bytes, 64);
  header.info_bytes = parts.info.size();
  header.code_offset = aligned(header.info_offset + header.info_bytes, kPage);
  header.code_bytes = parts.code.size();
  header.weights_offset = aligned(header.code_offset + header.code_bytes, kPage);
  header.weights_bytes = parts.plan.weight_bytes;

  Artifact artifact(header.weights_offset + header.weights_bytes);
  std::byte* base = artifact.bytes().data();
  std::memcpy(base + header.plan_offset, plan.data(), plan.size());
  std::memcpy(base + header.info_offset, parts.info.data(), parts.info.size());
  std::memcpy(base + header.code_offset, parts.code.data(), parts.code.size());
  std::vector<std::span<std::byte>> weights;
  std::byte* weight = base + header.weights_offset;
  for (uint64_t size : parts.plan.weight_sizes) {
    weights.emplace_back(weight, size);
    weight += aligned(size, 64);
  }
  TENON_TRY_DO(write_weights(weights));
  header.plan_hash = XXH64(plan.data(), plan.size(), 0);
  header.code_hash = XXH64(parts.code.data(), parts.code.size(), 0);
  header.weights_hash = XXH64(base + header.weights_offset, header.weights_bytes, 0);
  header.header_hash = XXH64(&header, sizeof(header), 0);
  std::memcpy(base, &header, sizeof(header));
  return artifact;
}

}  // namespace tenon::driver
