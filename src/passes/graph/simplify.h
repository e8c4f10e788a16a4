// Algebra and canonical forms.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: any graph. *Gives*: no rule of `rules/algebra.cc` fits anywhere. *Why here*: after
/// `fold_constants` and `common_subexpressions`, which show rules more; before `recognise`, which
/// knows canonical forms only; and again after it and after weights were folded.
void simplify(ir::Module& module);

}  // namespace tenon::passes
