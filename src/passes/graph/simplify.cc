#include "passes/graph/simplify.h"

#include "passes/rules/tables.h"

namespace tenon::passes {

void simplify(ir::Module& module) {
  static const RuleSet rules(algebra_rules());
  rewrite(module, rules);
}

}  // namespace tenon::passes
