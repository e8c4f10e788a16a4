#include "schedule/tile.h"

#include <algorithm>
#include <cmath>

namespace tenon::schedule {
namespace {

/// As many row pointers as general registers can hold beside the other addresses of the loop.
constexpr int kMostRows = 10;
constexpr int kMostVectors = 8;

/// Time of one step of the reduction, a multiply-add being 1. Fewer than kChains accumulators wait
/// for each other. Loads run beside the arithmetic, so they only decide between equals; one of a
/// vector of B, which comes from a farther cache, weighs as much as three of an element of A.
double step_cost(int rows, int vectors) {
  constexpr double kChains = 10, kLoad = 0.05;
  return std::max<double>(rows * vectors, kChains) + kLoad * (rows + 3 * vectors);
}

/// Of all strips of one panel; per row of the tile where their number is not known.
double panel_cost(Tile tile, std::optional<int64_t> rows, int window) {
  const auto cost_of = [&](int64_t strip_rows) {
    return step_cost(static_cast<int>(strip_rows) * window, tile.vectors);
  };
  const int64_t most = tile.rows / window;
  if (!rows) return cost_of(most) / tile.rows;
  const int64_t strips = (*rows + most - 1) / most;
  const int64_t small = *rows / strips, big_count = *rows % strips;
  double cost = 0;
  if (big_count > 0) cost += static_cast<double>(big_count) * cost_of(small + 1);
  return cost + static_cast<double>(strips - big_count) * cost_of(small);
}

/// Of all panels; per vector of columns where their number is not known.
double tile_cost(Tile tile, int lanes, std::optional<int64_t> rows, std::optional<int64_t> columns,
                 int window) {
  if (!columns) return panel_cost(tile, rows, window) / tile.vectors;
  const int64_t width = int64_t{tile.vectors} * lanes;
  const int64_t whole = *columns / width;
  double cost = static_cast<double>(whole) * panel_cost(tile, rows, window);
  if (const int64_t rest = *columns % width; rest > 0) {
    const int vectors = static_cast<int>((rest + lanes - 1) / lanes);
    cost += panel_cost({tile.rows, vectors}, rows, window);
  }
  return cost;
}

/// Among tiles of `fewest` to `most` vectors.
Tile best_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns,
               int fewest, int most, int window) {
  if (rows) rows = std::max<int64_t>(1, *rows);
  Tile best{window, fewest};
  double least = INFINITY;
  for (int vectors = fewest; vectors <= most; ++vectors) {
    for (int r = 1; r <= kMostRows && fits(target, {r * window, vectors}); ++r) {
      if (rows && r > *rows) break;
      const Tile tile{r * window, vectors};
      const double cost = tile_cost(tile, target.lanes(4), rows, columns, window);
      if (cost < least) {
        least = cost;
        best = tile;
      }
    }
  }
  return best;
}

}  // namespace

Tile choose_tile(const Target& target, std::optional<int64_t> rows,
                 std::optional<int64_t> columns) {
  return best_tile(target, rows, columns, 1, kMostVectors, 1);
}

Tile choose_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns,
                 int vectors, int window) {
  return best_tile(target, rows, columns, vectors, vectors, window);
}

bool fits(const Target& target, Tile tile) {
  return tile.rows * tile.vectors + std::min(tile.rows, tile.vectors) + 1 <=
         target.vector_registers;
}

}  // namespace tenon::schedule
