// Calls timed one by one.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"

namespace tenon::measure {

struct TimedCalls {
  double first = 0;             ///< seconds of the very first call
  std::vector<double> seconds;  ///< of each call after the warm-up; at least kFewestCalls
};

inline constexpr size_t kFewestCalls = 10;

/// Calls `call` once, then without record for a tenth of `seconds`, then on record for `seconds`
/// and at least kFewestCalls times. The first failure ends it.
Result<TimedCalls> time_calls(const std::function<Result<void>()>& call, double seconds);

}  // namespace tenon::measure
