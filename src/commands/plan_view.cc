#include "commands/plan_view.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "commands/model.h"

namespace tenon::commands {

std::vector<PlanView> PlanView::all(const Read& read) {
  std::vector<PlanView> views;
  uint64_t at = 0;
  do {
    PlanView& view = views.emplace_back(PlanView());
    tenon_file_header& header = view.header_;
    std::memcpy(&header, read(at, sizeof(header)).get(), sizeof(header));
    const auto plan = read(header.plan_offset, header.plan_bytes);
    const auto info = read(header.info_offset, header.info_bytes);
    view.memory_ = plan;
    view.take({plan.get(), header.plan_bytes},
              {reinterpret_cast<const char*>(info.get()), header.info_bytes});
    at = header.next_offset;
  } while (at != 0);
  return views;
}

Result<std::vector<PlanView>> PlanView::open(const std::filesystem::path& path) {
  tenon_error error = {};
  if (tenon_verify_file(path.c_str(), &error) != TENON_OK) return fail(error, path);
  std::ifstream file(path, std::ios::binary);
  std::vector<PlanView> views = all([&](uint64_t offset, uint64_t bytes) {
    // Arrays in the plan are aligned to 8 bytes.
    auto words = std::make_shared<std::vector<uint64_t>>(bytes / 8 + 1);
    auto* start = reinterpret_cast<std::byte*>(words->data());
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(reinterpret_cast<char*>(start), static_cast<std::streamsize>(bytes));
    return std::shared_ptr<const std::byte>(std::move(words), start);
  });
  if (!file) return tenon::fail(ErrorKind::kIo, "cannot be read", {.file = path.string()});
  return views;
}

std::vector<PlanView> PlanView::of(const driver::Artifact& artifact) {
  const auto whole = std::make_shared<driver::Artifact>(artifact);
  return all([&](uint64_t offset, uint64_t) {
    return std::shared_ptr<const std::byte>(whole, whole->bytes().data() + offset);
  });
}

void PlanView::take(std::span<const std::byte> plan_section, std::string_view info) {
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
