#include "commands/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::commands {
namespace {

/// |a - b|; integers beyond 2^53 are subtracted as integers.
double distance(const ops::Tensor& a, const ops::Tensor& b, int64_t i) {
  if (!ir::is_float(a.dtype())) {
    const auto x = static_cast<uint64_t>(a.integer(i)), y = static_cast<uint64_t>(b.integer(i));
    return static_cast<double>(std::min(x - y, y - x));
  }
  const double x = a.number(i), y = b.number(i);
  if (x == y || (std::isnan(x) && std::isnan(y))) return 0;
  const double apart = std::abs(x - y);
  return std::isfinite(apart) ? apart : std::numeric_limits<double>::infinity();
}

double root_mean_square(const ops::Tensor& tensor) {
  double squares = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const double value = tensor.number(i);
    if (!std::isfinite(value)) continue;
    squares += value * value;
    ++count;
  }
  return count ? std::sqrt(squares / static_cast<double>(count)) : 0;
}

}  // namespace

Difference compare(const ops::Tensor& actual, const ops::Tensor& reference) {
  TENON_CHECK(actual.dtype() == reference.dtype() && actual.shape() == reference.shape(),
              "tensors of one type to compare");
  const double scale = root_mean_square(reference);
  Difference difference;
  for (int64_t i = 0; i < actual.count(); ++i) {
    const double apart = distance(actual, reference, i);
    if (apart == 0) continue;
    const double value = std::abs(reference.number(i));
    const bool finite = std::isfinite(value) && std::isfinite(apart);
    const double infinity = std::numeric_limits<double>::infinity();
    const double room = std::max(value, scale);
    const double needed = finite && room > 0 ? apart / room : infinity;
    difference.max_absolute = std::max(difference.max_absolute, apart);
    if (value > 0) {
      difference.max_relative =
          std::max(difference.max_relative, finite ? apart / value : infinity);
    }
    if (needed > difference.needed_tolerance) {
      difference.needed_tolerance = needed;
      difference.worst = i;
    }
  }
  return difference;
}

double default_tolerance(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::kFloat64: return 1e-9;
    case ir::DType::kFloat32: return 1e-4;
    case ir::DType::kFloat16: return 1e-2;
    case ir::DType::kBFloat16: return 8e-2;
    default: return 0;
  }
}

}  // namespace tenon::commands
