// Matrix products of one operand with several weights as one wide product.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

/// *Needs*: constant operands of matrix multiplications plain, equal left operands shared
/// (`common_subexpressions`). *Gives*: products of one value with constant matrices, such as the
/// queries, keys and values of attention, are one product with the matrices side by side, and their
/// biases one bias; each result is a slice of its columns. A product stays as it is where that
/// would cost more than a kernel: elementwise nodes that could join it, a copy because a reader
/// cannot read columns in place, or columns that wait for readers far behind. *Why here*: after
/// `fold_normalisation`, which does scales of one result to its weights; before `pack-weights`,
/// which packs the wide matrix.
void merge_matmuls(ir::Module& module, const Target& target);

}  // namespace tenon::passes
