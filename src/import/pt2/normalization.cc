// Normalisations and softmax.
#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The weight, or one with this element for each channel.
Operand channel_weight(NodeContext& node, std::string_view name, ValueId x, double otherwise) {
  Emitter& emitter = node.emitter();
  const ValueId weight = node.optional_tensor(name);
  if (weight) return emitter.cast(weight, emitter.dtype(x));
  return emitter.expand(emitter.number(otherwise, emitter.dtype(x)), {emitter.shape(x)[1]});
}

Result<void> batch_norm(NodeContext& node, std::string_view epsilon) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("input"));
  if (emitter.rank(x) < 2) return node.bad("has no channels");
  TENON_TRY(ValueId mean, node.tensor("running_mean"));
  TENON_TRY(ValueId variance, node.tensor("running_var"));
  const DType dtype = emitter.dtype(x);
  return node.finish(
      emitter.emit(Op::kBatchNorm,
                   {x, channel_weight(node, "weight", x, 1), channel_weight(node, "bias", x, 0),
                    emitter.cast(mean, dtype), emitter.cast(variance, dtype)},
                   {{"epsilon", node.number(epsilon)}}));
}

}  // namespace

Result<void> import_batch_norm(NodeContext& node) {
  if (node.flag("training") || !node.has("running_mean")) {
    return node.unsupported("normalising by the batch's own statistics (call model.eval() first)");
  }
  return batch_norm(node, "eps");
}

Result<void> import_batch_norm_no_training(NodeContext& node) { return batch_norm(node, "eps"); }

/// Normalises by the statistics of the operand itself, channel by channel.
Result<void> import_batch_norm_no_stats(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("input"));
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() < 2) return node.bad("has no channels");
  const double epsilon = node.number("eps");
  if (dims[0].is(1) && dims[1].is_constant()) {
    return node.finish(emitter.emit(
        Op::kGroupNorm, {x, node.optional_tensor("weight"), node.optional_tensor("bias")},
        {{"groups", dims[1].value()}, {"epsilon", epsilon}}));
  }
  std::vector<int64_t> axes = axes_from(0, emitter.rank(x));
  axes.erase(axes.begin() + 1);
  const Statistics own = statistics_of(emitter, x, axes);
  return node.finish(
      emitter.emit(Op::kBatchNorm,
                   {x, channel_weight(node, "weight", x, 1), channel_weight(node, "bias", x, 0),
                    emitter.reshape(own.mean, {dims[1]}), emitter.reshape(own.variance, {dims[1]})},
                   {{"epsilon", epsilon}}));
}

namespace {

Result<void> trailing_norm(NodeContext& node, Op op, std::string_view shape, double epsilon) {
  TENON_TRY(ValueId x, node.tensor("input"));
  const auto axes = static_cast<int64_t>(node.dims(shape).size());
  std::vector<Operand> operands = {x, node.optional_tensor("weight")};
  if (op == Op::kLayerNorm) operands.emplace_back(node.optional_tensor("bias"));
  return node.finish(
      node.emitter().emit(op, std::move(operands), {{"axes", axes}, {"epsilon", epsilon}}));
}

}  // namespace

Result<void> import_layer_norm(NodeContext& node) {
  return trailing_norm(node, Op::kLayerNorm, "normalized_shape", node.number("eps"));
}

Result<void> import_rms_norm(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("input"));
  double epsilon = node.emitter().dtype(x) == DType::kFloat64 ? 0x1p-52 : 0x1p-23;
  if (node.has("eps")) epsilon = node.number("eps");
  return trailing_norm(node, Op::kRmsNorm, "normalized_shape", epsilon);
}

namespace {

Result<void> group_norm(NodeContext& node, ValueId x, int64_t groups) {
  return node.finish(node.emitter().emit(
      Op::kGroupNorm, {x, node.optional_tensor("weight"), node.optional_tensor("bias")},
      {{"groups", groups}, {"epsilon", node.number("eps")}}));
}

}  // namespace

Result<void> import_group_norm(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("input"));
  return group_norm(node, x, node.integer("num_groups"));
}

Result<void> import_native_group_norm(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("input"));
  return group_norm(node, x, node.integer("group"));
}

Result<void> import_instance_norm(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("input"));
  if (!node.flag("use_input_stats")) return batch_norm(node, "eps");
  if (node.has("running_mean")) return node.unsupported("statistics that are kept");
  if (emitter.rank(x) < 2 || !emitter.shape(x)[1].is_constant()) {
    return node.unsupported("channels of open size");
  }
  return group_norm(node, x, emitter.shape(x)[1].value());
}

namespace {

Result<void> softmax(NodeContext& node, bool log) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const DType otherwise = is_float(emitter.dtype(x)) || !node.result_type()
                              ? emitter.dtype(x)
                              : node.result_type()->dtype;
  DType dtype = otherwise;
  if (node.takes("dtype")) {
    TENON_TRY(dtype, node.dtype("dtype", otherwise));
  }
  const std::vector<Dim> dims = emitter.shape(x);
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Operand given = emitter.cast(x, dtype);
  const Operand result =
      emitter.emit(Op::kSoftmax, {dims.empty() ? emitter.reshape(given, {1}) : given},
                   {{"axis", axis}, {"log", log}});
  return node.finish(emitter.reshape(result, dims));
}

}  // namespace

Result<void> import_softmax(NodeContext& node) { return softmax(node, false); }
Result<void> import_log_softmax(NodeContext& node) { return softmax(node, true); }

}  // namespace tenon::import::pt2
