// The last step: machine code, plan and weights become one file.
#pragma once

#include "base/result.h"

namespace tenon::driver {

struct State;

/// *Needs*: distinct functions in final form, the plan's module, the prepare graph. *Gives*:
/// `state.artifact`, the weights evaluated right into it.
Result<void> emit(State& state);

}  // namespace tenon::driver
