#include "measure/roofline.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace tenon::measure {
namespace {

constexpr int64_t kBlock = 512;  // bytes that load_block reads

#if defined(__x86_64__)

constexpr int kChains = 10;  // latency 4 times two units, and some to spare

// Assembly, so that no compiler option decides what the peak is. The registers hold zeros.
#define TENON_FMA(v, n) "vfmadd231ps %%" v "0, %%" v "0, %%" v n "\n"
#define TENON_FMAS(v) \
  TENON_FMA(v, "1")   \
  TENON_FMA(v, "2")   \
  TENON_FMA(v, "3")   \
  TENON_FMA(v, "4")   \
  TENON_FMA(v, "5")   \
  TENON_FMA(v, "6") TENON_FMA(v, "7") TENON_FMA(v, "8") TENON_FMA(v, "9") TENON_FMA(v, "10")
#define TENON_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "cc"

void multiply_add(int64_t rounds, int vector_bytes) {
  asm volatile("vzeroall" ::: TENON_CLOBBERS, "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  if (vector_bytes == 64) {
    asm volatile("1:\n" TENON_FMAS("zmm") "dec %0\njnz 1b\n" : "+r"(rounds)::TENON_CLOBBERS);
  } else {
    asm volatile("1:\n" TENON_FMAS("ymm") "dec %0\njnz 1b\n" : "+r"(rounds)::TENON_CLOBBERS);
  }
  asm volatile("vzeroupper" :::);
}

bool can_multiply_add(int vector_bytes) {
  return vector_bytes == 64 ? __builtin_cpu_supports("avx512f")
                            : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#define TENON_LOAD(v, n, at) "vmovups " #at "(%0), %%" v n "\n"
#define TENON_LOAD_256(v, first) \
  TENON_LOAD(v, "0", first)      \
  TENON_LOAD(v, "1", 64 + first) TENON_LOAD(v, "2", 128 + first) TENON_LOAD(v, "3", 192 + first)

void load_block(const std::byte* from, int vector_bytes) {
  if (vector_bytes == 64) {
    asm volatile(TENON_LOAD_256("zmm", 0) TENON_LOAD_256("zmm", 256)::"r"(from)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
  } else {
    asm volatile(TENON_LOAD_256("ymm", 0) TENON_LOAD_256("ymm", 32) TENON_LOAD_256("ymm", 256)
                     TENON_LOAD_256("ymm", 288)::"r"(from)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
  }
}

#else

constexpr int kChains = 0;
void multiply_add(int64_t, int) {}
void load_block(const std::byte*, int) {}
bool can_multiply_add(int) { return false; }

#endif

/// Seconds until all threads have done their part; the best of a few, since others use the machine.
double best_seconds(unsigned threads, const std::function<void(unsigned)>& part) {
  double best = 1e300;
  for (int round = 0; round < 4; ++round) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::jthread> team;
    for (unsigned t = 1; t < threads; ++t) team.emplace_back(part, t);
    part(0);
    team.clear();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

double Roofline::seconds(double flops, double bytes) const {
  return std::max(flops_per_second > 0 ? flops / flops_per_second : 0, bytes / bytes_per_second);
}

Roofline measure_roofline(unsigned threads, int vector_bytes) {
  Roofline roofline;
  if (can_multiply_add(vector_bytes)) {
    constexpr int64_t kRounds = 4'000'000;
    const size_t lanes = vector_bytes / sizeof(float);
    const double seconds =
        best_seconds(threads, [&](unsigned) { multiply_add(kRounds, vector_bytes); });
    roofline.flops_per_second = 2.0 * kChains * kRounds * lanes * threads / seconds;
  }
  // Beyond every cache. Four sums, since one waits for its own last addition.
  const std::vector<uint64_t> numbers(size_t{256'000'000} / sizeof(uint64_t), 1);
  std::vector<uint64_t> sums(threads);
  const size_t share = numbers.size() / threads / 4 * 4;
  const double seconds = best_seconds(threads, [&](unsigned t) {
    const uint64_t* from = numbers.data() + t * share;
    uint64_t sum[4] = {};
    for (size_t i = 0; i < share; i += 4) {
      for (size_t k = 0; k < 4; ++k) sum[k] += from[i + k];
    }
    sums[t] = sum[0] + sum[1] + sum[2] + sum[3];
    // A result that nobody reads would let the compiler drop the loop.
    asm volatile("" ::"r"(sums[t]));
  });
  roofline.bytes_per_second = static_cast<double>(share * threads * sizeof(uint64_t)) / seconds;
  return roofline;
}

double cached_bytes_per_second(unsigned threads, int64_t bytes, int vector_bytes) {
  if (!can_multiply_add(vector_bytes)) return 0;
  constexpr int64_t kBytes = 256'000'000;  // of each thread
  const int64_t blocks = bytes / threads / kBlock;
  const int64_t passes = std::max<int64_t>(2, kBytes / (blocks * kBlock));
  const std::vector<std::byte> memory(threads * blocks * kBlock, std::byte{1});
  const double seconds = best_seconds(threads, [&](unsigned thread) {
    const std::byte* share = memory.data() + thread * blocks * kBlock;
    for (int64_t pass = 0; pass < passes; ++pass) {
      for (int64_t i = 0; i < blocks; ++i) {
        const int64_t block = pass % 2 == 0 ? i : blocks - 1 - i;
        load_block(share + block * kBlock, vector_bytes);
      }
    }
  });
  return static_cast<double>(threads * passes * blocks * kBlock) / seconds;
}

}  // namespace tenon::measure
