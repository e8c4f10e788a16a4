#include "measure/memory.h"

#include <fstream>
#include <limits>
#include <string>

namespace tenon::measure {

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    uint64_t kilobytes = 0;
    if (key == "VmRSS:" && status >> kilobytes) memory.resident = kilobytes * 1024;
    if (key == "VmHWM:" && status >> kilobytes) memory.peak = kilobytes * 1024;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return memory;
}

}  // namespace tenon::measure
