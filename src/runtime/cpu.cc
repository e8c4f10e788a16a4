#include "runtime/cpu.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/error.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace tenon::runtime {
namespace {

/// Reads up to `count` numbers of a file like "200000 100000"; "max" reads as -1. Gives how many.
int read_numbers(const char* path, double* numbers, int count) {
  FILE* file = std::fopen(path, "re");
  if (!file) return 0;
  int found = 0;
  char word[32];
  while (found < count && std::fscanf(file, "%31s", word) == 1) {
    if (std::strcmp(word, "max") == 0) {
      numbers[found++] = -1;
    } else if (std::sscanf(word, "%lf", &numbers[found]) == 1) {
      ++found;
    } else {
      break;
    }
  }
  std::fclose(file);
  return found;
}

/// CPUs that the quota of one cgroup directory allows, or `otherwise`.
double quota_of(const char* directory, double otherwise) {
  double limit[2] = {-1, 0};
  char path[1200];
  std::snprintf(path, sizeof path, "%s/cpu.max", directory);
  if (read_numbers(path, limit, 2) != 2) {
    std::snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
    if (read_numbers(path, &limit[0], 1) != 1) return otherwise;
    std::snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
    if (read_numbers(path, &limit[1], 1) != 1) return otherwise;
  }
  return limit[0] > 0 && limit[1] > 0 ? limit[0] / limit[1] : otherwise;
}

/// The smallest quota of `group` and the groups around it, below the mount point `mount`.
double quota_under(const char* mount, const char* group, double otherwise) {
  char directory[1100];
  std::snprintf(directory, sizeof directory, "%s%s", mount, group);
  double least = otherwise;
  while (std::strlen(directory) >= std::strlen(mount)) {
    least = std::min(least, quota_of(directory, otherwise));
    char* slash = std::strrchr(directory, '/');
    if (!slash) break;
    *slash = 0;
  }
  return least;
}

/// Whether `list`, of names between commas, has the controller "cpu".
bool lists_cpu(const char* list) {
  for (const char* name = list; name; name = std::strchr(name, ',')) {
    if (*name == ',') ++name;
    size_t length = std::strcspn(name, ",");
    if (length == 3 && std::strncmp(name, "cpu", 3) == 0) return true;
  }
  return false;
}

double cgroup_cpus(const char* root, double otherwise) {
  char path[300];
  std::snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE* file = std::fopen(path, "re");
  if (!file) return otherwise;
  double cpus = otherwise;
  char line[600];
  while (std::fgets(line, sizeof line, file)) {
    line[std::strcspn(line, "\n")] = 0;
    // "0::/group" of version 2, or "4:cpu,cpuacct:/group" of version 1.
    char* controllers = std::strchr(line, ':');
    char* group = controllers ? std::strchr(controllers + 1, ':') : nullptr;
    if (!group) continue;
    *controllers++ = 0;
    *group++ = 0;
    if (std::strcmp(group, "/") == 0) group[0] = 0;
    bool unified = std::strcmp(line, "0") == 0 && !*controllers;
    if (!unified && !lists_cpu(controllers)) continue;
    char mount[300];
    std::snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, unified ? "" : "/cpu");
    cpus = std::min(cpus, quota_under(mount, group, otherwise));
  }
  std::fclose(file);
  return cpus;
}

uint32_t affinity_count() {
  // Room for 8192 CPUs; the kernel refuses a mask that is smaller than its own.
  cpu_set_t masks[8] = {};
  if (sched_getaffinity(0, sizeof masks, masks) != 0) return 1;
  return static_cast<uint32_t>(CPU_COUNT_S(sizeof masks, masks));
}

}  // namespace

Fit cpu_fit(const char* target) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(target, "x86-64-v3") == 0) {
    return __builtin_cpu_supports("x86-64-v3") ? Fit::kRuns : Fit::kTooOld;
  }
  if (std::strcmp(target, "x86-64-v4") == 0) {
    return __builtin_cpu_supports("x86-64-v4") ? Fit::kRuns : Fit::kTooOld;
  }
#elif defined(__aarch64__)
  if (std::strcmp(target, "neoverse-n1") == 0) {
    constexpr unsigned long kNeeded =
        HWCAP_ATOMICS | HWCAP_ASIMDDP | HWCAP_ASIMDHP | HWCAP_ASIMDRDM | HWCAP_LRCPC | HWCAP_CRC32;
    return (getauxval(AT_HWCAP) & kNeeded) == kNeeded ? Fit::kRuns : Fit::kTooOld;
  }
#endif
  return Fit::kUnknownTarget;
}

uint32_t usable_threads(const char* root) {
  uint32_t cpus = affinity_count();
  // Whole CPUs only: a thread beyond the quota would get all of them stopped for part of each
  // period.
  return std::max(1u, static_cast<uint32_t>(cgroup_cpus(root, cpus)));
}

}  // namespace tenon::runtime
