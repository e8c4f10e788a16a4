// The way of a model, step by step.
#pragma once

#include "driver/compile.h"
#include "driver/plan.h"
#include "passes/graph/split_prepare.h"
#include "passes/graph/to_loops.h"

namespace tenon::driver {

/// What the steps hand on.
struct State {
  ir::Module module;
  Target target;
  const CompileOptions& options;
  passes::Prepare prepare;
  std::vector<passes::Kernel> kernels;
  std::vector<uint32_t> function_of;    ///< kernel to distinct function
  std::vector<ir::Function> functions;  ///< the distinct ones
  Artifact artifact;
};

/// Runs all steps but those of options.without.
Result<std::vector<StepReport>> run_pipeline(State& state);

}  // namespace tenon::driver
