// The tables of rules.
#pragma once

#include <span>

#include "passes/rules/rewrite.h"

namespace tenon::passes {

/// Algebra and canonical forms.
std::span<const Rule> algebra_rules();

/// Chains of small operators that are one operator of ours, and chains in a cheaper order.
std::span<const Rule> composite_rules();

}  // namespace tenon::passes
