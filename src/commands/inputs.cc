#include "commands/inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <random>

#include "base/contains.h"
#include "commands/npz.h"

namespace tenon::commands {

std::string signature(const tenon_module& plan, const tenon_binding& binding) {
  std::vector<std::string> dims;
  for (uint32_t axis = 0; axis < binding.rank; ++axis) {
    const tenon_slot& slot = plan.slots[binding.dims[axis]];
    dims.push_back(slot.op == TENON_SLOT_CONSTANT ? std::to_string(slot.value) : "?");
  }
  return fmt::format("{}: {}[{}]", plan.strings + binding.name,
                     ir::to_string(static_cast<ir::DType>(binding.dtype)), fmt::join(dims, ", "));
}

Result<std::vector<ops::Tensor>> read_inputs(const Model& model, const std::filesystem::path& npz) {
  TENON_TRY(const NpzReader file, NpzReader::open(npz));
  const tenon_module& plan = model.plan();
  Error missing{ErrorKind::kBadInput, {}};
  std::vector<ops::Tensor> inputs;
  for (uint32_t k = 0; k < plan.input_count; ++k) {
    const std::string name = model.string(plan.inputs[k].name);
    std::string found;
    for (const std::string& candidate : {fmt::format("arr_{}", k), fmt::format("in_{}", k), name}) {
      if (contains(file.names(), candidate)) found = candidate;
    }
    if (found.empty()) {
      missing.diagnostics.push_back(
          {fmt::format("no array for input '{}' ({})", name, signature(plan, plan.inputs[k])),
           {.file = npz.string()},
           fmt::format("name it '{}' or 'in_{}'; the file has: {}", name, k,
                       fmt::join(file.names(), ", "))});
      continue;
    }
    TENON_TRY(ops::Tensor tensor, file.read(found));
    inputs.push_back(std::move(tensor));
  }
  if (!missing.diagnostics.empty()) return std::unexpected(std::move(missing));
  return inputs;
}

Result<std::vector<ops::Tensor>> random_inputs(const Model& model) {
  const tenon_module& plan = model.plan();
  Error free{ErrorKind::kBadInput, {}};
  std::vector<ops::Tensor> inputs;
  std::minstd_rand random(1);
  for (uint32_t k = 0; k < plan.input_count; ++k) {
    const tenon_binding& binding = plan.inputs[k];
    std::vector<int64_t> shape;
    bool fixed = true;
    for (uint32_t axis = 0; axis < binding.rank; ++axis) {
      const tenon_slot& slot = plan.slots[binding.dims[axis]];
      fixed = fixed && slot.op == TENON_SLOT_CONSTANT;
      shape.push_back(slot.value);
    }
    if (!fixed) {
      free.diagnostics.push_back(
          {fmt::format("input {} has a free size", signature(plan, binding)),
           {},
           "give arrays with --inputs, or compile with the size fixed by --shape"});
      continue;
    }
    ops::Tensor& tensor = inputs.emplace_back(static_cast<ir::DType>(binding.dtype), shape);
    const bool is_float = ir::is_float(tensor.dtype());
    for (int64_t i = 0; i < tensor.count(); ++i) {
      if (is_float) {
        tensor.set_number(i, std::uniform_real_distribution<double>(-1, 1)(random));
      } else {
        tensor.set_integer(i, static_cast<int64_t>(random() >> 8 & 1));
      }
    }
  }
  if (!free.diagnostics.empty()) return std::unexpected(std::move(free));
  return inputs;
}

Result<std::vector<ops::Tensor>> make_inputs(const Model& model, const std::filesystem::path& npz) {
  return npz.empty() ? random_inputs(model) : read_inputs(model, npz);
}

}  // namespace tenon::commands
