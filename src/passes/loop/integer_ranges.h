// Between which numbers the 64-bit integers of a function lie.
#pragma once

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "ir/loop.h"

namespace tenon::passes {

/// Inclusive; all numbers where nothing is known.
struct IntegerRange {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};

class IntegerRanges {
 public:
  /// The function must outlive this.
  explicit IntegerRanges(const ir::Function& function);

  /// Of a scalar of 64 bits; of others all numbers.
  IntegerRange of(ir::ExprId id);

 private:
  IntegerRange compute(const ir::Expr& expr);
  IntegerRange of_variable(ir::VariableId variable);

  const ir::Function& function_;
  std::vector<const ir::Statement*> defined_by_;  // by variable; none: the task or a register
  std::unordered_map<ir::ExprId, IntegerRange> known_;
};

}  // namespace tenon::passes
