// LinearAttention: attention by a recurrence over the steps.
#include <cmath>

#include "import/onnx/operators.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::ValueId;

namespace {

/// Positions of the operands.
enum Operand : size_t { kQ, kK, kV, kState, kDecay, kBeta };

/// [batch, steps, heads * features] as [batch, steps, heads, features].
Emitter::Operand split_heads(NodeContext& node, size_t operand, int64_t heads) {
  TENON_TRY(const ValueId x, node.input(operand));
  const std::vector<Dim> dims = node.emitter().shape(x);
  if (dims.size() != 3) return node.bad("takes three axes: batch, steps, heads with features");
  const auto features = node.emitter().dims().exact_div(dims[2], heads);
  if (!features) return node.bad(fmt::format("the features do not split into {} heads", heads));
  return node.emitter().reshape(x, {dims[0], dims[1], heads, *features});
}

}  // namespace

Result<void> import_linear_attention(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const std::string rule = node.text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta";
  const bool delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") {
    return node.bad(fmt::format("the rule '{}' is none", rule));
  }
  if (gated != node.has_input(kDecay) || delta != node.has_input(kBeta)) {
    return node.bad(fmt::format("the rule '{}' takes other operands", rule));
  }
  const int64_t heads = node.integer("kv_num_heads", 0), queries = node.integer("q_num_heads", 0);
  if (heads < 1 || queries < 1) return node.bad("needs q_num_heads and kv_num_heads");
  TENON_TRY(const ValueId q, split_heads(node, kQ, queries));
  TENON_TRY(const ValueId k, split_heads(node, kK, heads));
  TENON_TRY(const ValueId v, split_heads(node, kV, heads));
  const std::vector<Dim> dims = emitter.shape(q), values = emitter.shape(v);
  const std::vector<Dim> state = {dims[0], heads, dims[3], values[3]};
  double scale = node.number("scale", 0);
  if (scale == 0) {
    if (!dims[3].is_constant()) return node.unsupported("LinearAttention of open features");
    scale = 1 / std::sqrt(static_cast<double>(dims[3].value()));
  }
  std::vector<Emitter::Operand> operands = {
      q, k, v, emitter.expand(emitter.number(0, emitter.dtype(q)), state), ValueId(), ValueId()};
  if (node.has_input(kState)) operands[kState] = node.input(kState);
  if (gated) {
    operands[kDecay] = emitter.expand(split_heads(node, kDecay, heads), emitter.shape(k));
  }
  if (delta) operands[kBeta] = emitter.expand(node.input(kBeta), {dims[0], dims[1], heads});
  TENON_TRY(const std::vector<ValueId> results,
            emitter.emit_all(ir::Op::kLinearAttention, operands, {{"scale", scale}}));
  node.set_output(1, results[1]);
  return node.finish(
      emitter.reshape(results[0], {dims[0], dims[1], emitter.dims().mul(queries, values[3])}));
}

}  // namespace tenon::import::onnx
