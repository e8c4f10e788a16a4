// One kernel to look at and to time by itself.
#pragma once

#include "base/result.h"
#include "driver/pipeline.h"

namespace tenon::driver {

/// Names and texts of files: loops.tn (ir/loop_text.h), kernel.ll and kernel.s (what LLVM gets and
/// makes of it), and bench.c, a program that calls the kernel as the model's first step with it
/// does: the same parameters, number of tasks and sizes of buffers. `cc -O2 bench.c kernel.s`
/// builds it.
using KernelDump = decltype(CompiledModel::kernel_files);

/// *Needs*: what `emit` needs. `kernel` counts distinct functions, as `tenon inspect` does; kUsage
/// when there is no such kernel, or when the step's sizes are not fixed.
Result<KernelDump> dump_kernel(const State& state, uint32_t kernel);

}  // namespace tenon::driver
