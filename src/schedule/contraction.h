// The loops that matrix multiplications and convolutions share: C[row, column] = sum over taps and
// depth of A[row, tap, k] * B[tap, k, column], in register tiles, with an epilogue where a tile is
// stored. A row of C may also be the largest of several such rows.
//
// The tile is the one of Goto and van de Geijn (Anatomy of High-Performance Matrix Multiplication,
// 2008): its accumulators stay in registers over the whole reduction; A is read in place, one
// broadcast element at a time; B comes in panels of a few vectors of columns.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/loop_scope.h"
#include "schedule/tile.h"

namespace tenon::schedule {

/// One row of the result.
struct ContractionRow {
  ir::E address;             ///< of A's element at the first tap, k = 0
  std::vector<ir::E> index;  ///< what `store` needs to know about the row
};

/// An outer loop of the reduction.
struct Tap {
  ir::E count;
  ir::E a_stride, b_stride;
};

struct Contraction {
  ir::BufferId a, b;
  ir::E rows, columns;
  std::vector<Tap> taps;  ///< outermost first
  ir::E depth;            ///< of the innermost reduction loop
  ir::E a_step;           ///< between its elements of A
  ir::E b_step;           ///< between its rows of B
  ir::E panel_step;       ///< from a panel of B to the next
  bool padded = false;    ///< B has zeros where its last panel has no columns
  std::function<ContractionRow(ir::E batch, ir::E row)> row;
  std::vector<ir::E> window;  ///< a row of C is the largest of those whose elements of A lie at
                              ///< these distances from its address; none: just of its own
  std::function<ir::E(ir::E batch)> b_address;  ///< of B's first panel
  std::function<void(const ContractionRow&, ir::E column, ir::E vector, int lanes, ir::E mask)>
      store;
  ir::E batches;  ///< independent products, each with its own A, B and C
};

/// How many steps of a reduction over `depth` elements a turn of its loop takes, where a step is so
/// many multiply-adds. What a turn needs beside these and their loads is then little: where a
/// core's other hardware thread is busy, decoding and not arithmetic limits a loop.
int64_t steps_at_once(int64_t products, int64_t depth);

/// sums[row * vectors + v] += a(row) * b(v), a scalar by a vector. The smaller side is held in
/// registers, the other streams.
void add_outer_product(ir::LoopBuilder& builder, int rows, int vectors, std::span<const ir::R> sums,
                       const std::function<ir::E(int)>& a, const std::function<ir::E(int)>& b);

/// The loops of the whole kernel: tasks are blocks of row strips by blocks of panels. The tile has
/// the rows of whole windows.
void contraction_loops(ir::LoopScope& scope, const Contraction& contraction, Tile tile);

}  // namespace tenon::schedule
