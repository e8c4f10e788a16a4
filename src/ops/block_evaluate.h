// Evaluates a scalar loop expression for many elements, a block at a time: each expression is one
// loop over the block, so that reference evaluation runs at the speed of plain C++.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/loop.h"

namespace tenon::ops {

constexpr int64_t kBlockElements = 1024;

/// Gives elements first..first+count of what `buffer` is loaded for.
using BlockRead =
    std::function<void(ir::BufferId buffer, int64_t first, int64_t count, std::byte* target)>;

/// Computes `root` of `function` for `count` elements into `target`, dense in root's dtype. A load
/// is answered by `read`; its index is not looked at. Only scalar expressions without parameters
/// and variables are taken.
void evaluate_blocks(const ir::Function& function, ir::ExprId root, int64_t count,
                     const BlockRead& read, std::byte* target);

}  // namespace tenon::ops
