// Rules as data, and their application to a graph.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "passes/rules/match.h"

namespace tenon::passes {

/// `from` becomes `to` where `when` holds and both have the same type. README.md says what a rule
/// may be.
struct Rule {
  std::string_view from, to;  ///< a pattern and a replacement (pattern.h)
  bool (*when)(Match& match) = nullptr;
};

/// A table of rules, parsed.
class RuleSet {
 public:
  explicit RuleSet(std::span<const Rule> rules);

  struct Parsed {
    Pattern from, to;
    bool (*when)(Match& match);
  };
  /// Those whose outermost operator is `op`, in the table's order.
  std::span<const Parsed> of(ir::Op op) const;

 private:
  std::unordered_map<ir::Op, std::vector<Parsed>> by_op_;
};

struct RewriteOptions {
  /// Only where nobody else reads what is computed inside the pattern.
  bool whole = false;
};

/// Applies rules until none fits; the number of times one did.
size_t rewrite(ir::Module& module, const RuleSet& rules, const RewriteOptions& options = {});

}  // namespace tenon::passes
