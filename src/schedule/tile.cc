#include "schedule/tile.h"

#include <algorithm>
#include <cmath>

namespace tenon::schedule {
namespace {

/// As many row pointers as general registers can hold beside the other addresses of the loop.
constexpr int kMostRows = 10;
constexpr int kMostVectors = 8;

bool fits(const Target& target, int rows, int vectors) {
  return rows * vectors + std::min(rows, vectors) + 1 <= target.vector_registers;
}

/// Time of one step of the reduction, a multiply-add being 1. Fewer than kChains accumulators wait
/// for each other. Loads run beside the arithmetic, so they only decide between equals; one of a
/// vector of B, which comes from a farther cache, weighs as much as three of an element of A.
double step_cost(int rows, int vectors) {
  constexpr double kChains = 10, kLoad = 0.05;
  return std::max<double>(rows * vectors, kChains) + kLoad * (rows + 3 * vectors);
}

/// Of all strips of one panel; per row where their number is not known.
double panel_cost(int most_rows, int vectors, std::optional<int64_t> rows) {
  if (!rows) return step_cost(most_rows, vectors) / most_rows;
  const int64_t strips = (*rows + most_rows - 1) / most_rows;
  const int64_t small = *rows / strips, big_count = *rows % strips;
  double cost = 0;
  if (big_count > 0)
    cost += static_cast<double>(big_count) * step_cost(static_cast<int>(small) + 1, vectors);
  return cost +
         static_cast<double>(strips - big_count) * step_cost(static_cast<int>(small), vectors);
}

/// Of all panels; per vector of columns where their number is not known.
double tile_cost(Tile tile, int lanes, std::optional<int64_t> rows,
                 std::optional<int64_t> columns) {
  if (!columns) return panel_cost(tile.rows, tile.vectors, rows) / tile.vectors;
  const int64_t width = int64_t{tile.vectors} * lanes;
  double cost = static_cast<double>(*columns / width) * panel_cost(tile.rows, tile.vectors, rows);
  if (const int64_t rest = *columns % width; rest > 0) {
    const int vectors = static_cast<int>((rest + lanes - 1) / lanes);
    cost += panel_cost(tile.rows, vectors, rows);
  }
  return cost;
}

/// Among tiles of `fewest` to `most` vectors.
Tile best_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns,
               int fewest, int most) {
  if (rows) rows = std::max<int64_t>(1, *rows);
  Tile best{1, fewest};
  double least = INFINITY;
  for (int vectors = fewest; vectors <= most; ++vectors) {
    for (int r = 1; r <= kMostRows && fits(target, r, vectors); ++r) {
      if (rows && r > *rows) break;
      const double cost = tile_cost({r, vectors}, target.lanes(4), rows, columns);
      if (cost < least) {
        least = cost;
        best = {r, vectors};
      }
    }
  }
  return best;
}

}  // namespace

Tile choose_tile(const Target& target, std::optional<int64_t> rows,
                 std::optional<int64_t> columns) {
  return best_tile(target, rows, columns, 1, kMostVectors);
}

Tile choose_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns,
                 int vectors) {
  return best_tile(target, rows, columns, vectors, vectors);
}

}  // namespace tenon::schedule
