// Normalisations.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// Normalises by the batch's own statistics, and gives running ones that follow them.
Result<void> train_batch_normalization(NodeContext& node, std::vector<Emitter::Operand> operands) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, operands[0]);
  TENON_TRY(const ValueId scale, operands[1]);
  std::vector<int64_t> axes = axes_from(0, emitter.rank(x));
  if (axes.size() < 2) return node.bad("has no channels");
  axes.erase(axes.begin() + 1);
  const Statistics batch = statistics_of(emitter, x, axes);
  const double momentum = node.number("momentum", 0.9F);
  const Emitter::Operand own[] = {emitter.reshape(batch.mean, emitter.shape(scale)),
                                  emitter.reshape(batch.variance, emitter.shape(scale))};
  for (size_t i = 0; i < 2; ++i) {
    TENON_TRY(const ValueId running,
              emitter.emit(Op::kAdd, {emitter.with_number(Op::kMul, operands[3 + i], momentum),
                                      emitter.with_number(Op::kMul, own[i], 1 - momentum)}));
    node.set_output(1 + i, running);
    operands[3 + i] = own[i];
  }
  return node.finish(emitter.emit(Op::kBatchNorm, std::move(operands),
                                  {{"epsilon", node.number("epsilon", 1e-5F)}}));
}

}  // namespace

Result<void> import_batch_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  if (operands.size() != 5) return node.bad("takes x, scale, bias, mean and variance");
  // Statistics may be wider than the data.
  TENON_TRY(ValueId x, operands[0]);
  for (Emitter::Operand& operand : operands) operand = emitter.cast(operand, emitter.dtype(x));
  if (node.flag("training_mode", false)) {
    return train_batch_normalization(node, std::move(operands));
  }
  return node.finish(emitter.emit(Op::kBatchNorm, std::move(operands),
                                  {{"epsilon", node.number("epsilon", 1e-5F)}}));
}

namespace {

/// The operand as the last `axes` axes of x have it, where it can be broadcast to them.
Emitter::Operand as_trailing(Emitter& emitter, ValueId operand, ValueId x, int64_t axes) {
  std::vector<Dim> dims = emitter.shape(x);
  dims.erase(dims.begin(), dims.end() - axes);
  std::vector<Dim> own = emitter.shape(operand);
  while (own.size() > dims.size() && own.front().is(1)) own.erase(own.begin());
  return emitter.expand(emitter.reshape(operand, own), std::move(dims));
}

/// The statistics that LayerNormalization gives beside its result.
Result<void> set_statistics(NodeContext& node, ValueId x, int64_t axis, double epsilon) {
  Emitter& emitter = node.emitter();
  const std::vector<int64_t> axes = axes_from(axis, emitter.rank(x));
  const Statistics own = statistics_of(emitter, emitter.cast(x, DType::kFloat32), axes);
  TENON_TRY(ValueId mean, own.mean);
  TENON_TRY(ValueId deviation,
            emitter.emit(Op::kRsqrt, {emitter.with_number(Op::kAdd, own.variance, epsilon)}));
  node.set_output(1, mean);
  node.set_output(2, deviation);
  return {};
}

Result<void> import_trailing_norm(NodeContext& node, Op op) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", -1), emitter.rank(x)));
  const int64_t axes = emitter.rank(x) - axis;
  const double epsilon = node.number("epsilon", 1e-5F);
  std::vector<Emitter::Operand> operands = {x};
  const size_t weights = op == Op::kLayerNorm ? 2 : 1;
  for (size_t i = 1; i <= weights; ++i) {
    operands.push_back(node.has_input(i) ? as_trailing(emitter, node.optional_input(i), x, axes)
                                         : Emitter::Operand(ValueId()));
  }
  if (node.wants_output(1) || node.wants_output(2)) {
    TENON_TRY_DO(set_statistics(node, x, axis, epsilon));
  }
  return node.finish(emitter.emit(op, std::move(operands), {{"axes", axes}, {"epsilon", epsilon}}));
}

}  // namespace

Result<void> import_layer_normalization(NodeContext& node) {
  return import_trailing_norm(node, Op::kLayerNorm);
}

Result<void> import_rms_normalization(NodeContext& node) {
  if (node.wants_output(1)) return node.unsupported("statistics of RMSNormalization");
  return import_trailing_norm(node, Op::kRmsNorm);
}

Result<void> import_group_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId scale, node.input(1));
  TENON_TRY(ValueId bias, node.input(2));
  const int64_t groups = node.integer("num_groups", 0);
  if (emitter.rank(x) < 2 || groups < 1) return node.bad("has no channels or groups");
  const Dim channels = emitter.shape(x)[1];
  // Before version 21 there is one weight per group.
  const auto per_channel = [&](ValueId weight) -> Emitter::Operand {
    if (node.opset() >= 21) return weight;
    const auto each = emitter.dims().exact_div(channels, groups);
    if (!each) return node.bad("the channels do not split into the groups");
    return emitter.reshape(emitter.expand(emitter.reshape(weight, {groups, 1}), {groups, *each}),
                           {channels});
  };
  return node.finish(
      emitter.emit(Op::kGroupNorm, {x, per_channel(scale), per_channel(bias)},
                   {{"groups", groups}, {"epsilon", node.number("epsilon", 1e-5F)}}));
}

Result<void> import_instance_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  TENON_TRY(ValueId x, operands[0]);
  if (operands.size() != 3 || emitter.rank(x) < 2) return node.bad("takes x, scale and bias");
  const Dim channels = emitter.shape(x)[1];
  if (!channels.is_constant()) return node.unsupported("InstanceNormalization of open channels");
  return node.finish(
      emitter.emit(Op::kGroupNorm, std::move(operands),
                   {{"groups", channels.value()}, {"epsilon", node.number("epsilon", 1e-5F)}}));
}

Result<void> import_lrn(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  return node.finish(node.emitter().emit(Op::kLrn, {x},
                                         {{"size", node.integer("size", 0)},
                                          {"alpha", node.number("alpha", 1e-4F)},
                                          {"beta", node.number("beta", 0.75)},
                                          {"bias", node.number("bias", 1)}}));
}

Result<void> import_mean_variance_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(
      std::vector<int64_t> axes,
      node.axes(node.integers("axes").value_or(std::vector<int64_t>{0, 2, 3}), emitter.rank(x)));
  std::ranges::sort(axes);
  const Emitter::Operand mean = emitter.reduce(x, "mean", axes, true);
  const Emitter::Operand centred = emitter.emit(Op::kSub, {x, mean});
  const Emitter::Operand variance =
      emitter.reduce(emitter.emit(Op::kMul, {centred, centred}), "mean", axes, true);
  const Emitter::Operand deviation = emitter.emit(Op::kSqrt, {variance});
  return node.finish(
      emitter.emit(Op::kDiv, {centred, emitter.with_number(Op::kAdd, deviation, 1e-9)}));
}

}  // namespace tenon::import::onnx
