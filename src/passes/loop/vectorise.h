// Needs: a function that verifies; loops marked kVector run their iterations independently, or
//        reduce into registers.
// Gives: the same function without loops of kind kVector: each became vector loops over whole
//        vectors and a tail, or stays a serial loop where VectorAnalysis says so.
// Why here: after loops have been fused, tiled and cut into tasks, so that every access is there;
//        before expand_math, which would hide that a function is one operation.
//
// Lanes. vector_bytes / size of VectorAnalysis::lane_type(), halved until the vector is no longer
// than a loop of known extent. Wider types in the same loop take several hardware vectors.
// Accesses. An index that is linear in the counter with stride 1 is a vector load or store, stride
// 2 or -1 vector loads and a shuffle, a uniform one a broadcast scalar load; everything else is a
// gather, or scalar stores of extracted lanes.
// Reductions. A register becomes `unroll` vector accumulators, which hide the operation's latency;
// they are joined after the vector loops.
// Tail. Scalar; or one masked vector where iterations call math functions, which a scalar tail
// would make seven times as expensive as the vectors before it.
#pragma once

#include "ir/loop.h"

namespace tenon::passes {

struct VectoriseOptions {
  int vector_bytes = 32;
  bool exact = false;  ///< float reductions keep the order of their loop, and so stay scalar
};

void vectorise(ir::Function& function, const VectoriseOptions& options = {});

}  // namespace tenon::passes
