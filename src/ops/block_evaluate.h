// Evaluates a scalar loop expression for many elements, a block at a time: each expression is one
// loop over the block, so that reference evaluation runs at the speed of plain C++.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/loop.h"

namespace tenon::ops {

constexpr int64_t kBlockElements = 1024;

/// What an expression's operands hold and where its result goes, for up to kBlockElements elements.
struct BlockOperands {
  const std::byte *a, *b, *c;
  std::byte* out;
  int64_t count;
};

/// Computes one expression that is neither a leaf nor a load. `operand` is the dtype of the
/// operands (of a select: of its branches), `result` of the result.
void evaluate_block(ir::ExprKind kind, ir::DType operand, ir::DType result,
                    const BlockOperands& operands);

/// The same for a constant: kBlockElements elements.
void fill_block(const ir::Expr& constant, std::byte* target);

/// Gives elements first..first+count of what `buffer` is loaded for.
using BlockRead =
    std::function<void(ir::BufferId buffer, int64_t first, int64_t count, std::byte* target)>;

/// Computes `root` of `function` for `count` elements into `target`, dense in root's dtype. A load
/// is answered by `read`; its index is not looked at. Only scalar expressions without parameters
/// and variables are taken.
void evaluate_blocks(const ir::Function& function, ir::ExprId root, int64_t count,
                     const BlockRead& read, std::byte* target);

}  // namespace tenon::ops
