// Composite operators in the chains that exporters write them as.
#pragma once

#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: canonical forms (`simplify`), shared values shared (`common_subexpressions`). *Gives*:
/// chains that nobody looks into are one node: GELU, SiLU, hard swish, softmax, layer, RMS and
/// group norm with their scale and shift (`rules/composites.cc`), attention (`fuse_attention.h`);
/// and what may stand behind a pool stands there.
/// *Why here*: before weights are folded, which would take scales away; before `group`, since a
/// composite is one kernel's heart; and again after `sink-views`, which joins more chains.
void recognise(ir::Module& module);

}  // namespace tenon::passes
