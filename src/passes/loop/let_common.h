// Needs: a function that verifies.
// Gives: the same function, in which
//        - an expression that a block computes twice is named by a `let` at its first use, loads
//        too
//          where nothing between the uses can change them;
//        - what does not change in a loop is named before it: arithmetic always, a load only where
//          the loop surely performs it, since a load must not happen that the function would not
//          do.
//        Constants, parameters, variables, and sums of an i64 and a constant are never named: they
//        cost nothing as an instruction's operand or displacement.
// Why here: last, when expand_math has written its sums out. Code generation forgets what it
//        computed at the end of a block, and a load at the end of its statement; LLVM's own passes
//        do not run.
#pragma once

#include "ir/loop.h"

namespace tenon::passes {

struct LetCommonOptions {};

void let_common(ir::Function& function, const LetCommonOptions& options = {});

}  // namespace tenon::passes
