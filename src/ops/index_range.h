// Between which sizes an integer expression lies, for bounds checks that need not be made.
#pragma once

#include <map>
#include <optional>

#include "ir/dim.h"
#include "ir/loop.h"

namespace tenon::ops {

/// Nothing where a side is not known.
struct IndexRange {
  std::optional<ir::Dim> low, high;  ///< inclusive
};

class IndexRanges {
 public:
  /// Both outlive this.
  IndexRanges(const ir::Function& function, ir::Dims& dims) : function_(function), dims_(dims) {}

  /// What a parameter of the function lies between.
  void set(ir::ExprId parameter, IndexRange range) { known_[parameter.index] = range; }
  /// A parameter that goes from 0 to below `end`.
  void set_counter(ir::ExprId parameter, std::optional<ir::Dim> end);

  IndexRange of(ir::ExprId id);
  /// Whether the value is known to be an index of an axis with this extent, wherever all parameters
  /// lie in their ranges.
  bool inside(ir::ExprId id, ir::Dim extent);

 private:
  using Operation = ir::Dim (ir::Dims::*)(ir::Dim, ir::Dim);
  std::optional<ir::Dim> both(Operation operation, std::optional<ir::Dim> a,
                              std::optional<ir::Dim> b);
  IndexRange compute(const ir::Expr& expr);
  IndexRange times(const IndexRange& a, const IndexRange& factor);
  bool is_small(const IndexRange& range) const;

  const ir::Function& function_;
  ir::Dims& dims_;
  std::map<uint32_t, IndexRange> known_;
};

}  // namespace tenon::ops
