// Losses of classifications, which training graphs end in.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// The loss from log-probabilities [N, C, ...] and classes [N, ...]: the negative log-probability
/// of the right class, weighted by class, without elements of the class `ignore_index`.
Emitter::Operand likelihood_loss(NodeContext& node, ValueId logs) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId classes, node.input(1));
  const std::vector<Dim> dims = emitter.shape(logs);
  if (dims.size() < 2) return node.bad("the scores have no axis of classes");
  const DType dtype = emitter.dtype(logs);
  std::vector<Dim> column = emitter.shape(classes);
  if (column.size() + 1 != dims.size()) return node.bad("one class per score vector is needed");
  Emitter::Operand right = emitter.cast(classes, DType::kInt64);
  Emitter::Operand counts = ValueId();
  if (node.has_attribute("ignore_index")) {
    const Emitter::Operand ignored = emitter.with_number(
        Op::kEqual, right, static_cast<double>(node.integer("ignore_index", 0)));
    right = emitter.emit(Op::kWhere, {ignored, emitter.number(0, DType::kInt64), right});
    counts = emitter.cast(emitter.emit(Op::kNot, {ignored}), dtype);
  }
  Emitter::Operand weight = counts;
  if (node.has_input(2)) {
    weight = emitter.emit(Op::kGather, {node.optional_input(2), right}, {{"axis", int64_t{0}}});
    if (node.has_attribute("ignore_index")) weight = emitter.emit(Op::kMul, {weight, counts});
  }
  column.insert(column.begin() + 1, 1);
  const Emitter::Operand chosen = emitter.emit(
      Op::kGatherElements, {logs, emitter.reshape(right, column)}, {{"axis", int64_t{1}}});
  column.erase(column.begin() + 1);
  Emitter::Operand loss = emitter.emit(Op::kNeg, {emitter.reshape(chosen, column)});
  const bool is_weighted = node.has_input(2) || node.has_attribute("ignore_index");
  if (is_weighted) loss = emitter.emit(Op::kMul, {loss, weight});
  const std::string reduction = node.text("reduction", "mean");
  if (reduction == "none") return loss;
  const std::vector<int64_t> all = axes_from(0, static_cast<int64_t>(column.size()));
  if (reduction == "sum") return emitter.reduce(loss, "sum", all, false);
  if (reduction != "mean") return node.bad(fmt::format("reduction '{}' is none", reduction));
  if (!is_weighted) return emitter.reduce(loss, "mean", all, false);
  return emitter.emit(Op::kDiv,
                      {emitter.reduce(loss, "sum", all, false),
                       emitter.reduce(emitter.expand(weight, column), "sum", all, false)});
}

}  // namespace

Result<void> import_likelihood_loss(NodeContext& node) {
  TENON_TRY(ValueId logs, node.input(0));
  return node.finish(likelihood_loss(node, logs));
}

/// The same after a softmax along the classes; the log-probabilities are the second output.
Result<void> import_softmax_loss(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId scores, node.input(0));
  if (emitter.rank(scores) < 2) return node.bad("the scores have no axis of classes");
  TENON_TRY(ValueId logs,
            emitter.emit(Op::kSoftmax, {scores}, {{"axis", int64_t{1}}, {"log", true}}));
  node.set_output(1, logs);
  return node.finish(likelihood_loss(node, logs));
}

}  // namespace tenon::import::onnx
