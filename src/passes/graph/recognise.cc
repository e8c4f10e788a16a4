#include "passes/graph/recognise.h"

#include "passes/graph/fuse_attention.h"
#include "passes/rules/tables.h"

namespace tenon::passes {

void recognise(ir::Module& module) {
  static const RuleSet rules(composite_rules());
  rewrite(module, rules, {.whole = true});
  fuse_attention(module);
}

}  // namespace tenon::passes
