// Facts about this machine: what code it can run, and on how many threads.
#pragma once

#include <cstdint>

namespace tenon::runtime {

enum class Fit {
  kRuns,          ///< this CPU runs code for the target
  kTooOld,        ///< right architecture, but this CPU lacks instructions
  kUnknownTarget  ///< another architecture, or a target newer than this runtime
};

/// Whether code for `target`, as a file's header names it, runs here.
Fit cpu_fit(const char* target);

/// Threads that the process may keep busy: CPUs of its affinity mask, and whole CPUs of the cgroup
/// quota (v1 or v2, of the group and those around it) where there is one; at least 1. `root` stands
/// before /proc and /sys: empty but in tests.
uint32_t usable_threads(const char* root = "");

}  // namespace tenon::runtime
