// Control flow that is decided when the model is compiled.
#include "import/onnx/operators.h"

namespace tenon::import::onnx {

using ir::ValueId;

Result<void> import_if(NodeContext& node) {
  TENON_TRY(int64_t condition, node.integer_input(0, "conditions"));
  const Graph* branch = node.body(condition != 0 ? "then_branch" : "else_branch");
  if (!branch) return node.bad("a branch is missing");
  TENON_TRY(std::vector<ValueId> results, node.graph().import_body(*branch));
  if (results.size() != node.output_count()) return node.bad("branch and node differ in outputs");
  for (size_t i = 0; i < results.size(); ++i) node.set_output(i, results[i]);
  return {};
}

}  // namespace tenon::import::onnx
