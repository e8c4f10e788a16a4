// The state between two steps of the pipeline as text, for stopping and resuming and for tests.
//
//   after place for x86-64-v4
//   ==== module
//   module "net" { ... }                       // ir/graph_text.h
//   ==== prepare [%3, %8]                      // from split-prepare on: its outputs, as the
//   module "net" { ... }                       // parameters of the module above that take them
//   ==== kernels                               // from to-loops on, in execution order
//   kernel function 0 buffers [%1, %9] params [batch] nodes [%7, %9] flops 8*batch bytes 64
//   kernel function 1 ... foreign "pool@libmine.so"
//   ==== function                              // one each, from 0
//   func matmul_relu(...) { ... }              // ir/loop_text.h
//
// Values in sections other than their module's are named by their number in the order of
// definitions, which is how a module prints. Kernels have their own functions until
// distinct-functions; `distinct` behind `kernels` says that they share.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "driver/pipeline.h"
#include "ir/graph_text.h"

namespace tenon::driver {

/// The state after a step. state_text of what read_state gives is the same text.
std::string state_text(const State& state, std::string_view step);

/// Fills `state` and returns the step. kBadModel where the text is wrong; kUsage where it was made
/// for another target than the state's. What is read is verified.
Result<std::string> read_state(std::string_view text, const ir::DataResolver& resolve,
                               State& state);

/// Empty when the languages' verifiers accept all that the state holds, else what is wrong.
std::string verify(const State& state);

}  // namespace tenon::driver
