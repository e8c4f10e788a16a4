#include "driver/emit.h"

#include "codegen/codegen.h"
#include "driver/pipeline.h"
#include "driver/plan.h"
#include "interp/graph.h"

namespace tenon::driver {

Result<void> emit(State& state) {
  const codegen::Image image =
      codegen::compile(state.functions, state.target,
                       {.checked = state.options.checked, .threads = state.options.threads});
  // Work on weights runs once, so it is evaluated rather than compiled (docs/adr).
  TENON_TRY(const std::vector<ops::Tensor> prepared, interp::run(state.prepare->module, {}));
  TENON_TRY(const Plan plan,
            make_plan(state.module, state.kernels, state.functions, state.function_of));
  std::vector<std::span<const std::byte>> weights;
  for (ir::DataId data : plan.weights) {
    std::span<const std::byte> bytes = state.module.data(data).bytes;
    for (size_t i = 0; i < prepared.size(); ++i) {
      if (state.prepare->results[i] == data)
        bytes = {prepared[i].bytes(), prepared[i].byte_count()};
    }
    weights.push_back(bytes);
  }
  state.artifact = write_artifact({.plan = plan,
                                   .code = image.code,
                                   .entries = image.entries,
                                   .target = state.target,
                                   .info = "{}",
                                   .weights = weights});
  return {};
}

}  // namespace tenon::driver
