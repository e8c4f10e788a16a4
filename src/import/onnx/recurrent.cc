// Recurrent layers. A bidirectional one is two nodes, whose results are put beside each other.
#include <algorithm>
#include <cctype>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

namespace {

/// Positions of the operands that the three layers share, and of LSTM's own.
enum Operand : size_t { kX, kW, kR, kB, kLengths, kHidden, kCell, kPeepholes };

/// A layer as its attributes describe it.
struct Layer {
  Op op;
  int64_t directions;
  bool starts_reversed;
  bool batch_first;
  ir::Attrs attrs;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// Whether every direction has these activations; an RNN's one is then `only`.
Result<std::string> check_activations(NodeContext& node, const std::vector<std::string>& usual) {
  const std::vector<std::string> given = node.texts("activations").value_or(usual);
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string expected =
        node.op_type() == "RNN" ? lower(given.front()) : lower(usual[i % usual.size()]);
    if (lower(given[i]) != expected) {
      return node.unsupported(
          fmt::format("{} with other activations than {}", node.op_type(), fmt::join(usual, ", ")));
    }
  }
  return given.empty() ? usual.front() : given.front();
}

/// Lengths that are given must be the number of steps.
Result<void> check_lengths(NodeContext& node, Dim steps) {
  if (!node.has_input(kLengths)) return {};
  const auto lengths = node.emitter().elements(node.optional_input(kLengths));
  if (lengths && std::ranges::all_of(*lengths, [&](Dim dim) { return dim == steps; })) return {};
  return node.unsupported(fmt::format("{} with sequence lengths", node.op_type()));
}

Result<Layer> layer_of(NodeContext& node) {
  TENON_TRY(ValueId r, node.input(kR));
  if (node.emitter().rank(r) != 3) return node.bad("the recurrent weights do not have three axes");
  const Dim hidden = node.emitter().shape(r)[2];
  if (!hidden.is_constant()) return node.unsupported("recurrent weights of open size");
  const std::string direction = node.text("direction", "forward");
  const bool is_both = direction == "bidirectional";
  if (!is_both && direction != "forward" && direction != "reverse") {
    return node.bad(fmt::format("direction '{}' is none", direction));
  }
  if (node.has_attribute("clip")) {
    return node.unsupported(fmt::format("{} with clip", node.op_type()));
  }
  Layer layer{Op::kRnn,
              is_both ? 2 : 1,
              direction == "reverse",
              node.flag("layout", false),
              {{"hidden", hidden.value()}}};
  if (node.op_type() == "LSTM") {
    layer.op = Op::kLstm;
    TENON_TRY_DO(check_activations(node, {"Sigmoid", "Tanh", "Tanh"}));
    if (node.flag("input_forget", false)) return node.unsupported("LSTM with input_forget");
    if (node.has_input(kPeepholes)) return node.unsupported("LSTM with peepholes");
  } else if (node.op_type() == "GRU") {
    layer.op = Op::kGru;
    TENON_TRY_DO(check_activations(node, {"Sigmoid", "Tanh"}));
    layer.attrs.set("linear_before_reset", node.flag("linear_before_reset", false));
  } else {
    TENON_TRY(std::string activation, check_activations(node, {"Tanh"}));
    const bool is_relu = lower(activation) == "relu";
    if (!is_relu && lower(activation) != "tanh") {
      return node.unsupported(fmt::format("RNN with activation {}", activation));
    }
    layer.attrs.set("activation", std::string(is_relu ? "Relu" : "Tanh"));
  }
  return layer;
}

/// One direction's part of an operand that has the directions along `axis`.
Emitter::Operand part_of(Emitter& emitter, ValueId operand, int64_t axis, int64_t direction) {
  if (!operand) return operand;
  std::vector<Dim> dims = emitter.shape(operand);
  dims.erase(dims.begin() + axis);
  return emitter.reshape(emitter.slice(operand, axis, direction, direction + 1), std::move(dims));
}

/// The parts with a new axis for the direction.
Emitter::Operand join(Emitter& emitter, const std::vector<ValueId>& parts, int64_t axis) {
  std::vector<Emitter::Operand> widened;
  for (ValueId part : parts) {
    std::vector<Dim> dims = emitter.shape(part);
    dims.insert(dims.begin() + axis, 1);
    widened.push_back(emitter.reshape(part, std::move(dims)));
  }
  return emitter.concat(widened, axis);
}

}  // namespace

Result<void> import_recurrent(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(Layer layer, layer_of(node));
  TENON_TRY(ValueId x, node.input(kX));
  TENON_TRY(ValueId w, node.input(kW));
  TENON_TRY(ValueId r, node.input(kR));
  if (emitter.rank(x) != 3) return node.bad("the input does not have three axes");
  for (size_t i : {kW, kR, kB, kHidden, kCell}) {
    const ValueId operand = node.optional_input(i);
    const size_t axis = layer.batch_first && i >= kHidden ? 1 : 0;
    if (operand && (emitter.rank(operand) != (i == kB ? 2 : 3) ||
                    !emitter.shape(operand)[axis].is(layer.directions))) {
      return node.bad(fmt::format("operand {} does not have {} directions", i, layer.directions));
    }
  }
  if (layer.batch_first) {
    TENON_TRY(x, emitter.transpose(x, {1, 0, 2}));
  }
  TENON_TRY_DO(check_lengths(node, emitter.shape(x)[0]));
  const int64_t state_axis = layer.batch_first ? 1 : 0;
  std::vector<std::vector<ValueId>> results(layer.op == Op::kLstm ? 3 : 2);
  for (int64_t direction = 0; direction < layer.directions; ++direction) {
    ir::Attrs attrs = layer.attrs;
    attrs.set("reverse", direction == 1 || layer.starts_reversed);
    std::vector<Emitter::Operand> operands = {
        x, part_of(emitter, w, 0, direction), part_of(emitter, r, 0, direction),
        part_of(emitter, node.optional_input(kB), 0, direction),
        part_of(emitter, node.optional_input(kHidden), state_axis, direction)};
    if (layer.op == Op::kLstm) {
      operands.push_back(part_of(emitter, node.optional_input(kCell), state_axis, direction));
    }
    TENON_TRY(std::vector<ValueId> outputs,
              emitter.emit_all(layer.op, std::move(operands), std::move(attrs)));
    for (size_t i = 0; i < results.size(); ++i) results[i].push_back(outputs[i]);
  }
  // Y is [steps, directions, batch, hidden], or batch first [batch, steps, directions, hidden].
  Emitter::Operand y = join(emitter, results[0], 1);
  if (layer.batch_first) y = emitter.transpose(std::move(y), {2, 0, 1, 3});
  for (size_t i = 1; i < results.size(); ++i) {
    if (!node.wants_output(i)) continue;
    TENON_TRY(ValueId state, join(emitter, results[i], state_axis));
    node.set_output(i, state);
  }
  return node.finish(std::move(y));
}

}  // namespace tenon::import::onnx
