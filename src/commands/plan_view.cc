#include "commands/plan_view.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "commands/model.h"

namespace tenon::commands {

Result<PlanView> PlanView::open(const std::filesystem::path& path) {
  tenon_error error = {};
  if (tenon_verify_file(path.c_str(), &error) != TENON_OK) return fail(error, path);
  PlanView view;
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(&view.header_), sizeof(view.header_));
  // Arrays in the section are aligned to 8 bytes.
  auto words = std::make_shared<std::vector<uint64_t>>(view.header_.plan_bytes / 8 + 1);
  file.seekg(static_cast<std::streamoff>(view.header_.plan_offset));
  file.read(reinterpret_cast<char*>(words->data()),
            static_cast<std::streamsize>(view.header_.plan_bytes));
  if (!file) return tenon::fail(ErrorKind::kIo, "cannot be read", {.file = path.string()});
  view.memory_ = words;
  view.read(std::as_bytes(std::span(*words)).first(view.header_.plan_bytes));
  return view;
}

PlanView::PlanView(const driver::Artifact& artifact)
    : memory_(std::make_shared<driver::Artifact>(artifact)) {
  std::memcpy(&header_, artifact.bytes().data(), sizeof(header_));
  read(artifact.bytes().subspan(header_.plan_offset, header_.plan_bytes));
}

void PlanView::read(std::span<const std::byte> plan_section) {
  tenon_plan_header counts;
  std::memcpy(&counts, plan_section.data(), sizeof(counts));
  size_t offset = sizeof(counts);
  auto next = [&]<class T>(const T*& array, uint32_t& count_of, uint32_t count) {
    offset = (offset + 7) / 8 * 8;
    array = reinterpret_cast<const T*>(plan_section.data() + offset);
    count_of = count;
    offset += count * sizeof(T);
  };
  next(plan_.slots, plan_.slot_count, counts.slot_count);
  next(plan_.inputs, plan_.input_count, counts.input_count);
  next(plan_.outputs, plan_.output_count, counts.output_count);
  next(plan_.buffers, plan_.buffer_count, counts.buffer_count);
  next(plan_.steps, plan_.step_count, counts.step_count);
  next(plan_.step_buffers, plan_.step_buffer_count, counts.step_buffer_count);
  next(plan_.step_params, plan_.step_param_count, counts.step_param_count);
  const uint64_t* entries = nullptr;
  next(entries, plan_.kernel_count, counts.kernel_count);
  entries_ = {entries, counts.kernel_count};
  next(plan_.strings, plan_.string_bytes, counts.string_bytes);
}

std::optional<int64_t> PlanView::constant(uint32_t slot) const {
  if (plan_.slots[slot].op != TENON_SLOT_CONSTANT) return std::nullopt;
  return plan_.slots[slot].value;
}

std::vector<uint64_t> PlanView::kernel_code_bytes() const {
  std::vector<uint64_t> ends(entries_.begin(), entries_.end());
  ends.push_back(header_.code_bytes);
  std::ranges::sort(ends);
  std::vector<uint64_t> sizes;
  for (uint64_t entry : entries_) sizes.push_back(*std::ranges::upper_bound(ends, entry) - entry);
  return sizes;
}

}  // namespace tenon::commands
