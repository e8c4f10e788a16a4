// Needs: a function that verifies, vectorised or not.
// Gives: the same function without math functions, `pow`, and `rem`, `floor_mod` and `floor_div` of
//        floats: each becomes arithmetic, compares, selects, casts and bitcasts
//        (math/expansions.h). A division of an index by a number becomes a multiplication and a
//        shift where the index is known not to be negative or too large for that.
// Why here: after vectorising, which treats a function as one operation on lanes; before
// let_common,
//        because an expansion names its parts many times and only shares them by being interned.
#pragma once

#include "ir/loop.h"

namespace tenon::passes {

struct ExpandMathOptions {};

void expand_math(ir::Function& function, const ExpandMathOptions& options = {});

}  // namespace tenon::passes
