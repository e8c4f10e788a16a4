#include "measure/timing.h"

#include <chrono>

namespace tenon::measure {

Result<TimedCalls> time_calls(const std::function<Result<void>()>& call, double seconds) {
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  TimedCalls calls;
  Clock::time_point start = Clock::now();
  TENON_TRY_DO(call());
  calls.first = since(start);
  for (start = Clock::now(); since(start) < seconds / 10;) TENON_TRY_DO(call());
  for (start = Clock::now(); since(start) < seconds || calls.seconds.size() < kFewestCalls;) {
    const Clock::time_point begin = Clock::now();
    TENON_TRY_DO(call());
    calls.seconds.push_back(since(begin));
  }
  return calls;
}

}  // namespace tenon::measure
