#include "base/target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

namespace tenon {
namespace {

constexpr std::string_view kLinuxX86 = "x86_64-unknown-linux-gnu";
constexpr std::string_view kLinuxArm = "aarch64-unknown-linux-gnu";

// In order of preference for "native": the last one that runs here wins.
const std::vector<Target>& known_targets() {
  static const std::vector<Target> targets = {
      {.name = "x86-64-v3",
       .triple = std::string(kLinuxX86),
       .cpu = "x86-64-v3",
       .features = "",
       .vector_bytes = 32,
       .vector_registers = 16,
       .indexed_displacement = true},
      {.name = "x86-64-v4",
       .triple = std::string(kLinuxX86),
       .cpu = "x86-64-v4",
       .features = "",
       .vector_bytes = 64,
       .vector_registers = 32,
       .broadcast_operand = true,
       .indexed_displacement = true,
       .l1_bytes = 48 << 10,
       .l2_bytes = 2 << 20},
      {.name = "neoverse-n1",
       .triple = std::string(kLinuxArm),
       .cpu = "neoverse-n1",
       .features = "",
       .vector_bytes = 16,
       .vector_registers = 32,
       .l1_bytes = 64 << 10,
       .l2_bytes = 1 << 20},
  };
  return targets;
}

int64_t cache_bytes(int name, int64_t otherwise) {
  long size = sysconf(name);
  return size > 0 ? size : otherwise;
}

}  // namespace

bool host_can_run(const Target& target) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (target.name == "x86-64-v3")
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (target.name == "x86-64-v4") {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
  }
  return false;
#elif defined(__aarch64__)
  return target.triple == kLinuxArm;
#else
  return false;
#endif
}

Result<Target> find_target(std::string_view name) {
  const std::vector<Target>& targets = known_targets();
  if (name != "native") {
    auto found = std::ranges::find(targets, name, &Target::name);
    if (found != targets.end()) return *found;
    return fail(ErrorKind::kUsage, fmt::format("unknown target '{}'", name), {},
                fmt::format("known targets: native, {}", fmt::join(target_names(), ", ")));
  }
  auto best = std::find_if(targets.rbegin(), targets.rend(), host_can_run);
  if (best == targets.rend()) {
    return fail(ErrorKind::kUnsupported, "this CPU is older than every target that Tenon knows", {},
                fmt::format("it must be able to run one of: {}", fmt::join(target_names(), ", ")));
  }
  Target target = *best;
  target.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  target.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  target.l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE, target.l3_bytes);
  return target;
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const Target& target : known_targets()) names.push_back(target.name);
  return names;
}

}  // namespace tenon
