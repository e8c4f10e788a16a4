#include "passes/graph/recognise.h"

#include "passes/rules/tables.h"

namespace tenon::passes {

void recognise(ir::Module& module) {
  static const RuleSet rules(composite_rules());
  rewrite(module, rules, {.whole = true});
}

}  // namespace tenon::passes
