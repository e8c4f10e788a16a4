// Builds modules for tests, piece by piece.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/abi.h"

namespace tenon::runtime::testing {

/// Each function appends one thing and gives its index. The module points into the builder.
class PlanBuilder {
 public:
  uint32_t constant(int64_t value) { return slot({TENON_SLOT_CONSTANT, 0, 0, 0, value}); }
  uint32_t dim(uint32_t input, uint32_t d) { return slot({TENON_SLOT_DIM, input, d, 0, 0}); }
  uint32_t read(uint32_t buffer, uint32_t most, uint32_t step, int64_t byte = 0) {
    return slot({TENON_SLOT_READ, buffer, most, step, byte});
  }
  uint32_t slot(uint32_t op, uint32_t a, uint32_t b) { return slot({op, a, b, 0, 0}); }

  uint32_t input(const char* name, std::vector<uint32_t> dims, uint32_t dtype = TENON_F32) {
    inputs_.push_back(binding(name, dims, dtype));
    return static_cast<uint32_t>(inputs_.size()) - 1;
  }
  uint32_t output(const char* name, std::vector<uint32_t> dims, uint32_t dtype = TENON_F32) {
    outputs_.push_back(binding(name, dims, dtype));
    return static_cast<uint32_t>(outputs_.size()) - 1;
  }
  uint32_t buffer(tenon_buffer buffer) {
    buffers_.push_back(buffer);
    return static_cast<uint32_t>(buffers_.size()) - 1;
  }
  uint32_t arena(uint32_t first, uint32_t last, uint32_t bytes) {
    return buffer({TENON_BUFFER_ARENA, 0, first, last, bytes, 0, 0});
  }
  void weights(const void* start, uint64_t bytes) {
    weights_ = start;
    weight_bytes_ = bytes;
  }

  /// A step with one task unless `tasks` names a slot, with work for several threads if `heavy`,
  /// in this many rounds.
  void step(const char* name, tenon_kernel kernel, std::vector<uint32_t> buffers,
            std::vector<uint32_t> params = {}, uint32_t tasks = UINT32_MAX, bool heavy = false,
            int64_t rounds = 1) {
    tenon_step step = {};
    step.kernel = static_cast<uint32_t>(kernels_.size());
    step.name = string(name);
    step.first_buffer = static_cast<uint32_t>(step_buffers_.size());
    step.buffer_count = static_cast<uint32_t>(buffers.size());
    step.first_param = static_cast<uint32_t>(step_params_.size());
    step.param_count = static_cast<uint32_t>(params.size());
    step.tasks = tasks == UINT32_MAX ? constant(1) : tasks;
    step.rounds = constant(rounds);
    step.scratch = constant(0);
    step.flops = constant(heavy ? 1'000'000'000 : 0);
    step.bytes = step.scratch;
    kernels_.push_back(kernel);
    steps_.push_back(step);
    step_buffers_.insert(step_buffers_.end(), buffers.begin(), buffers.end());
    step_params_.insert(step_params_.end(), params.begin(), params.end());
  }

  tenon_module module() const {
    tenon_module m = {};
    m.abi_version = TENON_ABI_VERSION;
    m.slot_count = size(slots_);
    m.input_count = size(inputs_);
    m.output_count = size(outputs_);
    m.buffer_count = size(buffers_);
    m.step_count = size(steps_);
    m.step_buffer_count = size(step_buffers_);
    m.step_param_count = size(step_params_);
    m.kernel_count = size(kernels_);
    m.string_bytes = static_cast<uint32_t>(strings_.size());
    m.slots = slots_.data();
    m.inputs = inputs_.data();
    m.outputs = outputs_.data();
    m.buffers = buffers_.data();
    m.steps = steps_.data();
    m.step_buffers = step_buffers_.data();
    m.step_params = step_params_.data();
    m.kernels = kernels_.data();
    m.strings = strings_.data();
    m.weights = weights_;
    m.weight_bytes = weight_bytes_;
    return m;
  }

 private:
  uint32_t slot(tenon_slot slot) {
    slots_.push_back(slot);
    return static_cast<uint32_t>(slots_.size()) - 1;
  }
  uint32_t string(const char* text) {
    auto offset = static_cast<uint32_t>(strings_.size());
    strings_.append(text).push_back('\0');
    return offset;
  }
  tenon_binding binding(const char* name, const std::vector<uint32_t>& dims, uint32_t dtype) {
    tenon_binding result = {string(name), dtype, static_cast<uint32_t>(dims.size()), {}};
    for (size_t d = 0; d < dims.size(); ++d) result.dims[d] = dims[d];
    return result;
  }
  template <class T>
  static uint32_t size(const std::vector<T>& items) {
    return static_cast<uint32_t>(items.size());
  }

  std::vector<tenon_slot> slots_;
  std::vector<tenon_binding> inputs_, outputs_;
  std::vector<tenon_buffer> buffers_;
  std::vector<tenon_step> steps_;
  std::vector<uint32_t> step_buffers_, step_params_;
  std::vector<tenon_kernel> kernels_;
  std::string strings_;
  const void* weights_ = nullptr;
  uint64_t weight_bytes_ = 0;
};

}  // namespace tenon::runtime::testing
