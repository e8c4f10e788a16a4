// Summaries of samples.
#pragma once

#include <cstddef>
#include <span>

namespace tenon::measure {

struct Summary {
  size_t count = 0;
  double min = 0, mean = 0, stddev = 0;  ///< stddev of the samples (n - 1); 0 for one sample
  double p50 = 0, p90 = 0, p95 = 0, p99 = 0;
};

/// The q-th quantile of ascending samples, 0 <= q <= 1, linear between neighbours (as numpy's
/// default). At least one sample.
double quantile(std::span<const double> ascending, double q);

/// At least one sample; in any unit.
Summary summarize(std::span<const double> samples);

}  // namespace tenon::measure
