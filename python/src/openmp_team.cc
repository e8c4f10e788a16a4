#include "openmp_team.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <new>

namespace {

// What GCC's compiled code calls for `#pragma omp parallel`; LLVM's and Intel's libraries have it
// too. `flags` 0: as OpenMP's own settings say.
using Parallel = void (*)(void (*body)(void*), void* data, unsigned threads, unsigned flags);
using ThreadNumber = int (*)();

struct OpenMp {
  Parallel parallel = nullptr;
  ThreadNumber thread_number = nullptr;
};

/// Libraries that an extension module brings along are not in the global scope: look for them by
/// name.
OpenMp find_openmp() {
  OpenMp found;
  auto visit = [](dl_phdr_info* info, size_t, void* result) {
    const char* file = std::strrchr(info->dlpi_name, '/');
    if (!file || (!std::strstr(file, "/libgomp") && !std::strstr(file, "/libomp") &&
                  !std::strstr(file, "/libiomp"))) {
      return 0;
    }
    void* library = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return 0;
    OpenMp& openmp = *static_cast<OpenMp*>(result);
    openmp.parallel = reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel"));
    openmp.thread_number = reinterpret_cast<ThreadNumber>(dlsym(library, "omp_get_thread_num"));
    return openmp.parallel && openmp.thread_number ? 1 : 0;
  };
  if (dl_iterate_phdr(visit, &found) == 0) return {};
  return found;
}

const OpenMp& openmp() {
  static const OpenMp found = find_openmp();
  return found;
}

constexpr uint32_t kMostThreads = 256;

/// Tasks of one thread that nobody has taken yet.
struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

struct Region {
  tenon_work work;
  void* state;
  uint32_t threads;
  std::atomic<int32_t> failure;
  Share* shares;
};

void work_off(void* data) {
  Region& region = *static_cast<Region*>(data);
  const auto thread = static_cast<uint32_t>(openmp().thread_number());
  for (uint32_t i = 0; i < region.threads; ++i) {
    Share& share = region.shares[(thread + i) % region.threads];
    const int64_t step = std::max<int64_t>((share.end - share.next) / 4, 1);
    for (;;) {
      const int64_t begin = share.next.fetch_add(step, std::memory_order_relaxed);
      if (begin >= share.end) break;
      if (region.failure.load(std::memory_order_relaxed) != 0) continue;
      const int32_t status =
          region.work(region.state, begin, std::min(begin + step, share.end), thread);
      int32_t none = 0;
      if (status != 0) region.failure.compare_exchange_strong(none, status);
    }
  }
}

int32_t run(void* pool, tenon_work work, void* state, int64_t tasks) {
  const auto threads =
      static_cast<uint32_t>(std::min<int64_t>(reinterpret_cast<intptr_t>(pool), tasks));
  if (threads <= 1) return tasks > 0 ? work(state, 0, tasks, 0) : 0;
  alignas(Share) std::array<std::byte, kMostThreads * sizeof(Share)> memory;
  auto* shares = reinterpret_cast<Share*>(memory.data());
  for (uint32_t t = 0; t < threads; ++t)
    ::new (&shares[t]) Share{tasks * t / threads, tasks * (t + 1) / threads};
  Region region = {work, state, threads, 0, shares};
  openmp().parallel(work_off, &region, threads, 0);
  return region.failure;
}

}  // namespace

tenon_pool openmp_team(uint32_t threads) {
  const uint32_t most = std::clamp(threads, 1u, kMostThreads);
  return {openmp().parallel ? run : nullptr, reinterpret_cast<void*>(static_cast<intptr_t>(most)),
          most};
}
