// When a convolution in groups is expected to be faster in registers that groups share than group
// by group, and in what tiles.
#include "schedule/grouped.h"

#include <algorithm>
#include <cmath>

#include "base/diagonals.h"
#include "schedule/families.h"

namespace tenon::schedule {
namespace {

/// Which part of the peak this recipe reaches. A turn of the sums takes some of the time of a
/// multiplication.
double efficiency(const Diagonals& diagonals, int64_t taps, int lanes) {
  constexpr double kTile = 0.9, kTurn = 0.7;
  const double turn = diagonals.block > 1 ? kTurn / static_cast<double>(taps) : 0;
  return kTile * static_cast<double>(diagonals.channels) / lanes / (1 + turn);
}

/// The same of a contraction for each group, whose last vector of columns may be a half one. Loops
/// over few channels do little more than begin and end.
double panel_efficiency(int64_t group, int lanes) {
  constexpr double kShort = 24;
  const int64_t half = std::max(1, lanes / 2);
  const int64_t computed = (group + half - 1) / half * half;
  const auto used = static_cast<double>(group) / static_cast<double>(computed);
  const auto depth = static_cast<double>(group * group);
  return used * depth / (depth + kShort);
}

}  // namespace

std::map<int64_t, std::vector<std::pair<int, int>>> WindowAxis::reads(int outputs) const {
  std::map<int64_t, std::vector<std::pair<int, int>>> found;
  for (int o = 0; o < outputs; ++o) {
    for (int tap = 0; tap < kernel; ++tap) found[o * stride + tap * dilation].emplace_back(o, tap);
  }
  return found;
}

WindowTile choose_tile(const Target& target, const WindowAxis& y, const WindowAxis& x,
                       std::optional<int64_t> rows, std::optional<int64_t> columns,
                       const TileLimits& limits) {
  constexpr int kChains = 8;
  const int most_rows =
      static_cast<int>(std::min<int64_t>(limits.rows, rows.value_or(limits.rows)));
  const int most_columns =
      static_cast<int>(std::min<int64_t>(limits.columns, columns.value_or(limits.columns)));
  WindowTile best{1, most_columns};
  double least = INFINITY;
  for (int r = 1; r <= most_rows; ++r) {
    size_t weights = 0, row_loads = 0;
    for (const auto& [at, taps] : y.reads(r)) {
      weights = std::max(weights, taps.size() * x.kernel);
      row_loads += taps.size() * x.kernel;
    }
    for (int c = 1; c <= most_columns; ++c) {
      if (static_cast<int>(weights) + r * c + limits.spare > target.vector_registers) continue;
      const double loads = static_cast<double>(row_loads + y.reads(r).size() * x.reads(c).size());
      const double idle = std::max(1.0, static_cast<double>(kChains) / (r * c));
      double cost = idle * std::max(1.0, loads / static_cast<double>(r * c * y.kernel * x.kernel));
      cost += loads / static_cast<double>(r * c * y.kernel * x.kernel);
      if (rows) {
        const int64_t computed = (*rows + r - 1) / r * r;
        cost *= static_cast<double>(computed) / static_cast<double>(*rows);
      }
      if (cost < least) {
        least = cost;
        best = {r, c};
      }
    }
  }
  return best;
}

int grouped_width(const ir::Module& module, const ir::Node& node, const Target& target) {
  const std::vector<ir::Dim>& filter = module.value(node.inputs[1]).type.dims;
  const int64_t groups = node.attrs.integer("groups"), group = filter[1].value();
  if (filter.size() > 4 || (groups == 1 && filter[0].value() > 1)) return 0;
  const int lanes = target.lanes(4);
  const int64_t outputs = filter[0].value() / groups;  // of a group
  if (outputs != group && (group > 1 || lanes % outputs != 0)) return 0;
  const Diagonals diagonals(group, lanes);
  if (2 * diagonals.channels < lanes) return 0;
  int64_t taps = 1;
  for (size_t axis = 2; axis < filter.size(); ++axis) taps *= filter[axis].value();
  return efficiency(diagonals, taps, lanes) > panel_efficiency(group, lanes) ? lanes : 0;
}

}  // namespace tenon::schedule
