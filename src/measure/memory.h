// Memory of this process, as the kernel counts it.
#pragma once

#include <cstdint>

namespace tenon::measure {

struct ProcessMemory {
  uint64_t resident = 0;  ///< bytes now
  uint64_t peak = 0;      ///< the most that was resident at once
};

/// Zeros where /proc does not tell.
ProcessMemory process_memory();

}  // namespace tenon::measure
