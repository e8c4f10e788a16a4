// The register tiles of matrix products and how rows are dealt to them.
#pragma once

#include <optional>

#include "base/target.h"

namespace tenon::schedule {

/// A register tile: `rows` of A by `vectors` vectors of columns.
struct Tile {
  int rows;
  int vectors;
  bool operator==(const Tile&) const = default;
};

/// The tile with the least work for this many rows and columns (nothing: unknown, many), among
/// those whose accumulators, held operands and streamed operand fit the target's registers: rows *
/// vectors + min(rows, vectors) + 1 <= registers. The last panel of columns may use fewer vectors,
/// and rows come in near-equal strips.
Tile choose_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns);

/// The same where packing has settled the number of vectors, and each row of the result takes
/// `window` rows of the tile.
Tile choose_tile(const Target& target, std::optional<int64_t> rows, std::optional<int64_t> columns,
                 int vectors, int window = 1);

/// Whether such a tile fits the target's registers.
bool fits(const Target& target, Tile tile);

}  // namespace tenon::schedule
