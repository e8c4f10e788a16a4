// The way of a model, step by step.
#pragma once

#include <optional>

#include "driver/compile.h"
#include "driver/plan.h"
#include "passes/graph/split_prepare.h"
#include "passes/graph/to_loops.h"

namespace tenon::driver {

/// What the steps hand on.
struct State {
  ir::Module module;
  Target target;
  CompileOptions options;
  std::optional<passes::Prepare> prepare;  ///< from split-prepare on
  std::vector<passes::Kernel> kernels;     ///< with their functions until distinct-functions
  std::vector<uint32_t> function_of;       ///< kernel to distinct function
  std::vector<ir::Function> functions;     ///< the distinct ones
  Artifact artifact;
  size_t cached_kernels = 0;
  std::vector<StepReport> parts;  ///< of the step at work, for reports of where time goes
};

/// Names what a state is before the first step.
inline constexpr std::string_view kImport = "import";
inline constexpr std::string_view kLastStep = "emit";

/// Runs the steps behind `from` up to and with `to`, but those of options.without. A name that is
/// no step, or to be left out and must not, is kUsage.
Result<std::vector<StepReport>> run_pipeline(State& state, std::string_view from = kImport,
                                             std::string_view to = kLastStep);

}  // namespace tenon::driver
