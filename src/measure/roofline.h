// What this machine can do at most, measured: a kernel's time is compared with it.
#pragma once

#include <cstdint>

namespace tenon::measure {

struct Roofline {
  double flops_per_second = 0;  ///< float32, a fused multiply-add as two; 0: not known for this CPU
  double bytes_per_second = 0;  ///< streaming read from memory

  /// Seconds that work takes at least, if its bytes come from memory.
  double seconds(double flops, double bytes) const;
};

/// Measures with this many threads for about 0.1 s: independent multiply-adds in registers of
/// `vector_bytes` (32 or 64), and the sum of an array of 256 MB.
Roofline measure_roofline(unsigned threads, int vector_bytes);

/// What threads together read per second by loads of vectors when each goes through its share of as
/// many bytes (at least 512 each) again and again, each time from the end where it was last; 0: not
/// known for this CPU.
double cached_bytes_per_second(unsigned threads, int64_t bytes, int vector_bytes);

}  // namespace tenon::measure
