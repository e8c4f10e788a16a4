// A module that makes the most of what the plan leaves open. Memory is filled with 0xFF (NaN, -1)
// wherever what it holds is undefined: arena buffers when their lives begin, outputs before the
// run, scratch before each task. Every step is large enough for all threads, and a thread runs the
// tasks of a round one by one from the last to the first.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/abi.h"

namespace tenon::testing {

class PoisonedModule {
 public:
  /// `module` must outlive this.
  explicit PoisonedModule(const tenon_module& module)
      : module_(module),
        slots_(module.slots, module.slots + module.slot_count),
        buffers_(module.buffers, module.buffers + module.buffer_count) {
    const uint32_t one = constant(1), none = constant(0), plenty = constant(int64_t{1} << 40);
    for (uint32_t i = 0; i < module.step_count; ++i) {
      for (uint32_t b = 0; b < module.buffer_count; ++b) {
        const tenon_buffer& buffer = module.buffers[b];
        const bool begins = buffer.kind == TENON_BUFFER_ARENA    ? buffer.first == i
                            : buffer.kind == TENON_BUFFER_OUTPUT ? i == 0
                                                                 : false;
        if (!begins) continue;
        buffers_[b].first = static_cast<uint32_t>(steps_.size());
        add({.kernel = kFill,
             .tasks = one,
             .rounds = one,
             .scratch = none,
             .flops = none,
             .bytes = none},
            {b}, {buffer.bytes});
      }
      tenon_step step = module.steps[i];
      std::vector<uint32_t> params = {
          constant(reinterpret_cast<intptr_t>(module.kernels[step.kernel])), step.scratch,
          step.tasks, step.rounds};
      const uint32_t* given = module.step_params + step.first_param;
      params.insert(params.end(), given, given + step.param_count);
      const uint32_t* used = module.step_buffers + step.first_buffer;
      moved_.push_back(static_cast<uint32_t>(steps_.size()));
      step.kernel = kOneByOne;
      step.flops = plenty;
      add(step, {used, used + step.buffer_count}, params);
    }
    for (tenon_buffer& buffer : buffers_) {
      if (buffer.kind == TENON_BUFFER_ARENA) buffer.last = moved_[buffer.last];
    }
    module_.slot_count = static_cast<uint32_t>(slots_.size());
    module_.step_count = static_cast<uint32_t>(steps_.size());
    module_.step_buffer_count = static_cast<uint32_t>(step_buffers_.size());
    module_.step_param_count = static_cast<uint32_t>(step_params_.size());
    module_.kernel_count = 2;
    module_.slots = slots_.data();
    module_.buffers = buffers_.data();
    module_.steps = steps_.data();
    module_.step_buffers = step_buffers_.data();
    module_.step_params = step_params_.data();
    module_.kernels = kKernels;
  }
  PoisonedModule(const PoisonedModule&) = delete;
  PoisonedModule& operator=(const PoisonedModule&) = delete;

  const tenon_module& module() const { return module_; }

 private:
  enum Kernel : uint32_t { kFill, kOneByOne };

  /// Buffers: what to fill; parameters: its bytes.
  static int32_t fill(const tenon_args* args, int64_t, int64_t) {
    if (args->params[0] > 0) std::memset(args->buffers[0], 0xFF, args->params[0]);
    return TENON_KERNEL_OK;
  }

  /// Parameters: the address of the kernel to run, its scratch bytes, tasks and rounds, its own
  /// parameters.
  static int32_t one_by_one(const tenon_args* args, int64_t begin, int64_t end) {
    auto kernel = reinterpret_cast<tenon_kernel>(args->params[0]);
    const auto scratch = static_cast<size_t>(args->params[1]);
    tenon_args inner = *args;
    inner.params += 4;
    const int64_t of_a_round = args->params[2] / args->params[3];
    while (begin < end) {
      const int64_t next = std::min(end, (begin / of_a_round + 1) * of_a_round);
      for (int64_t task = next - 1; task >= begin; --task) {
        if (scratch > 0) std::memset(args->scratch, 0xFF, scratch);
        if (const int32_t status = kernel(&inner, task, task + 1)) return status;
      }
      begin = next;
    }
    return TENON_KERNEL_OK;
  }

  static constexpr tenon_kernel kKernels[] = {fill, one_by_one};

  uint32_t constant(int64_t value) {
    slots_.push_back({TENON_SLOT_CONSTANT, 0, 0, 0, value});
    return static_cast<uint32_t>(slots_.size() - 1);
  }

  void add(tenon_step step, std::vector<uint32_t> buffers, std::vector<uint32_t> params) {
    step.first_buffer = static_cast<uint32_t>(step_buffers_.size());
    step.buffer_count = static_cast<uint32_t>(buffers.size());
    step.first_param = static_cast<uint32_t>(step_params_.size());
    step.param_count = static_cast<uint32_t>(params.size());
    step_buffers_.insert(step_buffers_.end(), buffers.begin(), buffers.end());
    step_params_.insert(step_params_.end(), params.begin(), params.end());
    steps_.push_back(step);
  }

  tenon_module module_;
  std::vector<tenon_slot> slots_;
  std::vector<tenon_buffer> buffers_;
  std::vector<tenon_step> steps_;
  std::vector<uint32_t> step_buffers_, step_params_;
  std::vector<uint32_t> moved_;  // where each step of the original is
};

}  // namespace tenon::testing
