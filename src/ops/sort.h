// Sorting in loops.
#pragma once

#include <functional>

#include "ops/loops.h"

namespace tenon::ops {

/// The numbers 0 .. count - 1 in an order, sorted in scratch memory within a task: element i is the
/// i-th. `stays(a, b)`, for a in front of b, says that it need not go behind b; what stays keeps
/// its place. It is asked O(count * log(count)) times.
class Sorted {
 public:
  Sorted(ir::LoopBuilder& builder, ir::E count, const std::function<ir::E(ir::E, ir::E)>& stays);

  ir::E operator[](ir::E i) const { return numbers_[from_ + i]; }

 private:
  Scratch numbers_;  // twice: what a pass reads, and what it writes
  ir::R from_;       // where the sorted ones begin
};

}  // namespace tenon::ops
