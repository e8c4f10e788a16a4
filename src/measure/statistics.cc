#include "measure/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/result.h"

namespace tenon::measure {

double quantile(std::span<const double> ascending, double q) {
  TENON_CHECK(!ascending.empty(), "a sample to summarize");
  const double place = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(ascending[below], ascending[above], place - static_cast<double>(below));
}

Summary summarize(std::span<const double> samples) {
  std::vector<double> ascending(samples.begin(), samples.end());
  std::ranges::sort(ascending);
  Summary summary;
  summary.count = samples.size();
  summary.p50 = quantile(ascending, 0.5);
  summary.p90 = quantile(ascending, 0.9);
  summary.p95 = quantile(ascending, 0.95);
  summary.p99 = quantile(ascending, 0.99);
  summary.min = ascending.front();
  const auto count = static_cast<double>(samples.size());
  summary.mean = std::accumulate(ascending.begin(), ascending.end(), 0.0) / count;
  double squares = 0;
  for (double sample : ascending) squares += (sample - summary.mean) * (sample - summary.mean);
  if (samples.size() > 1) summary.stddev = std::sqrt(squares / (count - 1));
  return summary;
}

}  // namespace tenon::measure
