#include "commands/plan_view.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

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
  std::string info(view.header_.info_bytes, '\0');
  file.seekg(static_cast<std::streamoff>(view.header_.info_offset));
  file.read(info.data(), static_cast<std::streamsize>(info.size()));
  if (!file) return tenon::fail(ErrorKind::kIo, "cannot be read", {.file = path.string()});
  view.memory_ = words;
  view.read(std::as_bytes(std::span(*words)).first(view.header_.plan_bytes), info);
  return view;
}

PlanView::PlanView(const driver::Artifact& artifact)
    : memory_(std::make_shared<driver::Artifact>(artifact)) {
  std::memcpy(&header_, artifact.bytes().data(), sizeof(header_));
  const std::span<const std::byte> info =
      artifact.bytes().subspan(header_.info_offset, header_.info_bytes);
  read(artifact.bytes().subspan(header_.plan_offset, header_.plan_bytes),
       {reinterpret_cast<const char*>(info.data()), info.size()});
}

void PlanView::read(std::span<const std::byte> plan_section, std::string_view info) {
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

  plan_.weight_bytes = header_.weights_bytes;

  // Nothing checks this section: it may be anything.
  const auto json = nlohmann::json::parse(info, nullptr, false);
  recipes_.assign(plan_.step_count, "?");
  if (!json.is_object() || !json.contains("recipes") || !json["recipes"].is_array()) return;
  for (size_t i = 0; i < std::min(recipes_.size(), json["recipes"].size()); ++i) {
    if (json["recipes"][i].is_string()) recipes_[i] = json["recipes"][i];
  }
}

std::optional<tenon_memory> PlanView::memory() const {
  std::vector<tenon_tensor> inputs;
  for (const tenon_binding& binding : std::span(plan_.inputs, plan_.input_count)) {
    tenon_tensor& tensor = inputs.emplace_back(tenon_tensor{nullptr, binding.dtype, binding.rank});
    for (uint32_t axis = 0; axis < binding.rank; ++axis) {
      const std::optional<int64_t> size = constant(binding.dims[axis]);
      if (!size) return std::nullopt;
      tensor.dims[axis] = *size;
    }
  }
  tenon_memory memory = {};
  tenon_error error = {};
  if (tenon_measure_memory(&plan_, inputs.data(), &memory, &error) != TENON_OK) return std::nullopt;
  return memory;
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
