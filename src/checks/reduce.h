// Shrinks a graph for as long as something stays wrong with it.
#pragma once

#include <functional>
#include <string>

#include "driver/compile.h"
#include "ir/graph.h"

namespace tenon::checks {

/// Whether what is looked for is still there.
using Fails = std::function<bool(const ir::Module&)>;

/// The part of `module`'s nodes that still fails although no single node can be left out any more.
/// What a kept node reads and no kept node makes is an input; what kept nodes make and do not read
/// is an output. Gives back `module` itself where no smaller part fails.
ir::Module reduce(const ir::Module& module, const Fails& fails);

/// Runs `check` in a process of its own, so that it may crash; its exit code, or 128 + the signal
/// that ended it.
int exit_code_of(const std::function<int()>& check);

/// 0 when native code gives the interpreter's results on random inputs (symbols are 2), 1 when it
/// does not, 2 when the interpreter cannot tell, 3 when there is an error on the way.
int compare_native(const ir::Module& module, const driver::CompileOptions& options);

}  // namespace tenon::checks
