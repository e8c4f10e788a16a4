// Activations with parameters.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Op;
using ir::ValueId;

namespace {

struct Parameter {
  std::string_view onnx, ours;
  double otherwise;
};

Result<void> import_with(NodeContext& node, Op op, std::initializer_list<Parameter> parameters) {
  TENON_TRY(ValueId x, node.input(0));
  ir::Attrs attrs;
  for (const Parameter& one : parameters) {
    attrs.set(one.ours, node.number(one.onnx, one.otherwise));
  }
  return node.finish(node.emitter().emit(op, {x}, std::move(attrs)));
}

}  // namespace

Result<void> import_leaky_relu(NodeContext& node) {
  return import_with(node, Op::kLeakyRelu, {{"alpha", "alpha", 0.01F}});
}

Result<void> import_elu(NodeContext& node) {
  return import_with(node, Op::kElu, {{"alpha", "alpha", 1}});
}

Result<void> import_celu(NodeContext& node) {
  return import_with(node, Op::kCelu, {{"alpha", "alpha", 1}});
}

Result<void> import_selu(NodeContext& node) {
  return import_with(node, Op::kSelu,
                     {{"alpha", "alpha", 1.67326319217681884765625},
                      {"gamma", "gamma", 1.05070102214813232421875}});
}

Result<void> import_thresholded_relu(NodeContext& node) {
  return import_with(node, Op::kThresholdedRelu, {{"alpha", "alpha", 1}});
}

Result<void> import_hard_sigmoid(NodeContext& node) {
  return import_with(node, Op::kHardSigmoid, {{"alpha", "alpha", 0.2F}, {"beta", "beta", 0.5}});
}

Result<void> import_shrink(NodeContext& node) {
  return import_with(node, Op::kShrink, {{"lambd", "lambda", 0.5}, {"bias", "bias", 0}});
}

Result<void> import_prelu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId slope, node.input(1));
  return node.finish(emitter.emit(Op::kPrelu, {x, slope}));
}

Result<void> import_gelu(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  const bool by_tanh = node.text("approximate", "none") == "tanh";
  return node.finish(node.emitter().emit(by_tanh ? Op::kGeluTanh : Op::kGelu, {x}));
}

namespace {

Emitter::Operand swish(Emitter& emitter, ValueId x, double alpha) {
  if (alpha == 1) return emitter.emit(Op::kSilu, {x});
  return emitter.emit(Op::kQuickGelu, {x}, {{"alpha", alpha}});
}

}  // namespace

Result<void> import_swish(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  const double otherwise = node.op_type() == "QuickGelu" ? 1.702F : 1;
  return node.finish(swish(node.emitter(), x, node.number("alpha", otherwise)));
}

/// swish(a) * b.
Result<void> import_swiglu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  return node.finish(emitter.emit(Op::kMul, {swish(emitter, a, node.number("alpha", 1)), b}));
}

Result<void> import_softmax(NodeContext& node) {
  const bool is_log = node.op_type() == "LogSoftmax";
  return along_axis(node, [&](Emitter::Operand x, int64_t axis) {
    return node.emitter().emit(Op::kSoftmax, {std::move(x)}, {{"axis", axis}, {"log", is_log}});
  });
}

Result<void> import_hardmax(NodeContext& node) {
  Emitter& emitter = node.emitter();
  return along_axis(node, [&](Emitter::Operand x, int64_t axis) -> Emitter::Operand {
    TENON_TRY(ValueId value, std::move(x));
    const ir::TensorType type = emitter.type(value);
    const auto at = static_cast<size_t>(axis);
    std::vector<ir::Dim> column(type.rank(), 1);
    column[at] = type.dims[at];
    const Emitter::Operand greatest = emitter.emit(
        Op::kArgReduce, {value},
        {{"kind", std::string("max")}, {"axis", axis}, {"keep", true}, {"last", false}});
    const Emitter::Operand place = emitter.reshape(indices(emitter, type.dims[at]), column);
    return emitter.cast(emitter.emit(Op::kEqual, {place, greatest}), type.dtype);
  });
}

}  // namespace tenon::import::onnx
