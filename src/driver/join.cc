#include "driver/join.h"

#include <xxhash.h>

#include <cstring>
#include <map>
#include <string_view>
#include <vector>

#include "base/align.h"
#include "runtime/abi.h"

namespace tenon::driver {
namespace {

using Bytes = std::span<const std::byte>;

/// What the file has for one target; the plan is changed to the places of the joined weights.
struct Part {
  tenon_file_header header;
  std::vector<std::byte> plan;
  Bytes code, info, weights;

  explicit Part(Bytes file) {
    std::memcpy(&header, file.data(), sizeof(header));
    const Bytes section = file.subspan(header.plan_offset, header.plan_bytes);
    plan.assign(section.begin(), section.end());
    code = file.subspan(header.code_offset, header.code_bytes);
    info = file.subspan(header.info_offset, header.info_bytes);
    weights = file.subspan(header.weights_offset, header.weights_bytes);
  }
};

/// The arrays of a plan section that say where weights are.
struct PlanArrays {
  std::span<const tenon_slot> slots;
  std::span<tenon_buffer> buffers;

  explicit PlanArrays(std::span<std::byte> plan) {
    tenon_plan_header counts;
    std::memcpy(&counts, plan.data(), sizeof(counts));
    size_t at = sizeof(counts);
    auto take = [&]<class T>(uint32_t count, T*) {
      at = aligned(at, 8);
      auto* start = reinterpret_cast<T*>(plan.data() + at);
      at += count * sizeof(T);
      return std::span(start, count);
    };
    slots = take(counts.slot_count, static_cast<tenon_slot*>(nullptr));
    take(counts.input_count, static_cast<tenon_binding*>(nullptr));
    take(counts.output_count, static_cast<tenon_binding*>(nullptr));
    buffers = take(counts.buffer_count, static_cast<tenon_buffer*>(nullptr));
  }
};

/// Weights by their bytes.
class Weights {
 public:
  /// Where these bytes are.
  uint64_t place(Bytes bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto [found, fresh] = places_.try_emplace(text, end_);
    if (fresh) end_ = aligned(end_ + bytes.size(), 64);
    return found->second;
  }
  uint64_t size() const { return end_; }
  void write(std::byte* to) const {
    for (const auto& [text, offset] : places_) std::memcpy(to + offset, text.data(), text.size());
  }

 private:
  struct Order {
    bool operator()(std::string_view a, std::string_view b) const {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    }
  };
  std::map<std::string_view, uint64_t, Order> places_;
  uint64_t end_ = 0;
};

}  // namespace

Artifact join(std::span<const Artifact> artifacts) {
  std::vector<Part> parts;
  for (const Artifact& artifact : artifacts) parts.emplace_back(artifact.bytes());
  Weights weights;
  for (Part& part : parts) {
    const PlanArrays plan(part.plan);
    for (tenon_buffer& buffer : plan.buffers) {
      if (buffer.kind != TENON_BUFFER_WEIGHT) continue;
      const auto bytes = static_cast<uint64_t>(plan.slots[buffer.bytes].value);
      buffer.offset = weights.place(part.weights.subspan(buffer.offset, bytes));
    }
  }

  uint64_t end = 0;
  std::vector<uint64_t> headers;
  auto place = [&](uint64_t bytes, uint64_t alignment) {
    const uint64_t start = aligned(end, alignment);
    end = start + bytes;
    return start;
  };
  for (Part& part : parts) {
    headers.push_back(place(sizeof(part.header), 64));
    part.header.plan_offset = place(part.plan.size(), 64);
    part.header.info_offset = place(part.info.size(), 64);
    part.header.code_offset = place(part.code.size(), 4096);
  }
  const uint64_t weights_offset = place(weights.size(), 4096);

  Artifact joined(end);
  std::byte* base = joined.bytes().data();
  weights.write(base + weights_offset);
  const uint64_t weights_hash = XXH64(base + weights_offset, weights.size(), 0);
  for (size_t i = 0; i < parts.size(); ++i) {
    tenon_file_header& header = parts[i].header;
    std::memcpy(base + header.plan_offset, parts[i].plan.data(), parts[i].plan.size());
    std::memcpy(base + header.info_offset, parts[i].info.data(), parts[i].info.size());
    std::memcpy(base + header.code_offset, parts[i].code.data(), parts[i].code.size());
    header.next_offset = i + 1 < parts.size() ? headers[i + 1] : 0;
    header.weights_offset = weights_offset;
    header.weights_bytes = weights.size();
    header.plan_hash = XXH64(parts[i].plan.data(), parts[i].plan.size(), 0);
    header.weights_hash = weights_hash;
    header.header_hash = 0;
    header.header_hash = XXH64(&header, sizeof(header), 0);
    std::memcpy(base + headers[i], &header, sizeof(header));
  }
  return joined;
}

}  // namespace tenon::driver
