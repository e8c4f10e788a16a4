// Facts about a CPU as plain data; recipes and the cost model read nothing else about hardware.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon {

/// A CPU to compile for. Sizes are bytes per core.
struct Target {
  std::string name;                   ///< as `--target` takes it: "x86-64-v3", "neoverse-n1", ...
  std::string triple;                 ///< LLVM target triple
  std::string cpu;                    ///< LLVM -mcpu
  std::string features;               ///< LLVM -mattr beyond what `cpu` implies
  int vector_bytes = 16;              ///< width of the vectors that kernels use
  int vector_registers = 16;          ///< architectural vector registers
  bool broadcast_operand = false;     ///< an FMA can take a broadcast scalar from memory
  bool indexed_displacement = false;  ///< an address can be two registers and a number
  int64_t l1_bytes = 32 << 10;
  int64_t l2_bytes = 512 << 10;
  int64_t l3_bytes = 8 << 20;

  int lanes(int element_bytes) const { return vector_bytes / element_bytes; }
};

/// The target of that name; "native" gives the best known target that this machine can run, with
/// its own cache sizes.
Result<Target> find_target(std::string_view name);

/// Names of all known targets, for messages.
std::vector<std::string> target_names();

/// Whether code for `target` runs on this machine.
bool host_can_run(const Target& target);

}  // namespace tenon
