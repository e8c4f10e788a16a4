// Recurrent layers: each direction of each layer is a node.
#include <algorithm>

#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

struct Cell {
  Op op;
  /// Where PyTorch has the rows of each of our gates.
  std::vector<int64_t> gates;
  ir::Attrs attrs;
};

/// The rows of the gates in our order.
Operand ordered(Emitter& emitter, ValueId weight, const Cell& cell, int64_t hidden) {
  std::vector<Operand> parts;
  for (int64_t gate : cell.gates) {
    parts.push_back(emitter.slice(weight, 0, gate * hidden, (gate + 1) * hidden));
  }
  return emitter.concat(parts, 0);
}

/// One position along the first axis, which goes.
Operand position(Emitter& emitter, ValueId x, int64_t at) {
  std::vector<Dim> dims = emitter.shape(x);
  dims.erase(dims.begin());
  return emitter.reshape(emitter.slice(x, 0, at, at + 1), std::move(dims));
}

/// The values one after the other along a new first axis.
Operand stacked(Emitter& emitter, const std::vector<ValueId>& values) {
  std::vector<Operand> widened;
  for (ValueId value : values) {
    std::vector<Dim> dims = emitter.shape(value);
    dims.insert(dims.begin(), 1);
    widened.push_back(emitter.reshape(value, std::move(dims)));
  }
  return emitter.concat(widened, 0);
}

/// Runs all layers; `states` are the first ones, [layers * directions, batch, hidden].
Result<void> run_layers(NodeContext& node, const Cell& cell, const std::vector<ValueId>& states) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("input"));
  TENON_TRY(const std::vector<ValueId> weights, node.tensors("params"));
  if (node.flag("train") && node.number("dropout") != 0) {
    return node.unsupported("dropout in training (call model.eval() first)");
  }
  const size_t directions = node.flag("bidirectional") ? 2 : 1;
  const size_t per_direction = node.flag("has_biases") ? 4 : 2;
  const int64_t layers = node.integer("num_layers");
  if (layers < 1 || weights.size() != static_cast<size_t>(layers) * directions * per_direction) {
    return node.unsupported("projections, or other weights than the layers have");
  }
  const bool is_batched = emitter.rank(x) == 3;
  if (!is_batched || std::ranges::any_of(states, [&](ValueId state) {
        return emitter.rank(state) != 3 ||
               emitter.shape(state)[0] != Dim(layers * static_cast<int64_t>(directions));
      })) {
    return node.unsupported("an input without a batch axis");
  }
  const bool batch_first = node.flag("batch_first");
  if (batch_first) {
    TENON_TRY(x, emitter.transpose(x, {1, 0, 2}));
  }
  std::vector<std::vector<ValueId>> last(states.size());
  for (size_t k = 0; k < static_cast<size_t>(layers) * directions; k += directions) {
    std::vector<Operand> results;
    for (size_t direction = 0; direction < directions; ++direction) {
      const ValueId* own = &weights[(k + direction) * per_direction];
      if (emitter.rank(own[1]) != 2 || !emitter.shape(own[1])[1].is_constant()) {
        return node.unsupported("recurrent weights of open size");
      }
      const int64_t hidden = emitter.shape(own[1])[1].value();
      std::vector<Operand> operands = {x, ordered(emitter, own[0], cell, hidden),
                                       ordered(emitter, own[1], cell, hidden), ValueId()};
      if (per_direction == 4) {
        operands[3] = emitter.concat(
            {ordered(emitter, own[2], cell, hidden), ordered(emitter, own[3], cell, hidden)}, 0);
      }
      for (ValueId state : states) {
        operands.push_back(position(emitter, state, static_cast<int64_t>(k + direction)));
      }
      ir::Attrs attrs = cell.attrs;
      attrs.set("hidden", hidden);
      attrs.set("reverse", direction == 1);
      TENON_TRY(const std::vector<ValueId> outputs,
                emitter.emit_all(cell.op, std::move(operands), std::move(attrs)));
      results.emplace_back(outputs[0]);
      for (size_t i = 0; i < last.size(); ++i) last[i].push_back(outputs[1 + i]);
    }
    TENON_TRY(x, emitter.concat(results, 2));
  }
  if (batch_first) {
    TENON_TRY(x, emitter.transpose(x, {1, 0, 2}));
  }
  TENON_TRY_DO(node.finish(x));
  for (const std::vector<ValueId>& values : last) {
    TENON_TRY_DO(node.finish(stacked(emitter, values)));
  }
  return {};
}

Result<void> run_with_one_state(NodeContext& node, const Cell& cell) {
  TENON_TRY(ValueId state, node.tensor("hx"));
  return run_layers(node, cell, {state});
}

}  // namespace

Result<void> import_lstm(NodeContext& node) {
  TENON_TRY(const std::vector<ValueId> states, node.tensors("hx"));
  if (states.size() != 2) return node.bad("takes two states");
  return run_layers(node, {Op::kLstm, {0, 3, 1, 2}, {}}, states);
}

Result<void> import_gru(NodeContext& node) {
  return run_with_one_state(node, {Op::kGru, {1, 0, 2}, {{"linear_before_reset", true}}});
}

Result<void> import_rnn(NodeContext& node) {
  const bool is_relu = node.operator_name().starts_with("rnn_relu");
  return run_with_one_state(
      node, {Op::kRnn, {0}, {{"activation", std::string(is_relu ? "Relu" : "Tanh")}}});
}

}  // namespace tenon::import::pt2
