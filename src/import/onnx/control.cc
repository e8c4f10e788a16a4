// Control flow in a graph without any: a branch that is decided when the model is compiled leaves
// no trace, otherwise both branches are computed and one result is chosen; loops are unrolled.
// docs/adr/0005-control-flow-is-unrolled.md says why.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// Nodes that the iterations of one loop may be.
constexpr int64_t kMostNodes = 20'000;

/// condition ? a : b, for values of one type.
Emitter::Operand choose(NodeContext& node, ValueId condition, ValueId a, ValueId b) {
  Emitter& emitter = node.emitter();
  if (a == b) return a;
  const ir::TensorType left = emitter.type(a);
  const ir::TensorType right = emitter.type(b);
  bool is_same = left.dtype == right.dtype && left.rank() == right.rank();
  for (size_t i = 0; is_same && i < left.rank(); ++i) {
    is_same = emitter.dims().unify(left.dims[i], right.dims[i]).has_value();
  }
  if (!is_same) {
    return node.unsupported(fmt::format(
        "{} whose result has another type or shape when its condition changes", node.op_type()));
  }
  return emitter.emit(Op::kWhere, {emitter.reshape(condition, {}), a, b});
}

/// A condition that is known, or nothing.
std::optional<bool> known_condition(Emitter& emitter, ValueId condition) {
  const std::optional<double> value = emitter.scalar(condition);
  return value ? std::optional(*value != 0) : std::nullopt;
}

int64_t node_count(const Graph& body) { return static_cast<int64_t>(body.nodes.size()); }

Result<void> check_work(NodeContext& node, int64_t iterations, const Graph& body) {
  if (iterations <= kMostNodes / std::max<int64_t>(node_count(body), 1)) return {};
  return node.unsupported(
      fmt::format("{} of more than {} nodes in all iterations", node.op_type(), kMostNodes));
}

/// The pieces of a result that grows by one element of a new axis in each iteration.
Emitter::Operand stack(NodeContext& node, const std::vector<ValueId>& pieces, int64_t axis) {
  Emitter& emitter = node.emitter();
  std::vector<Emitter::Operand> widened;
  for (ValueId piece : pieces) {
    std::vector<Dim> dims = emitter.shape(piece);
    TENON_TRY(const int64_t at, node.axis(axis, static_cast<int64_t>(dims.size()) + 1));
    dims.insert(dims.begin() + at, 1);
    widened.push_back(emitter.reshape(piece, std::move(dims)));
    axis = at;
  }
  return emitter.concat(widened, axis);
}

}  // namespace

Result<void> import_if(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId condition, node.input(0));
  const Graph* then_branch = node.body("then_branch");
  const Graph* else_branch = node.body("else_branch");
  if (!then_branch || !else_branch) return node.bad("a branch is missing");
  const auto results_of = [&](const Graph& branch) -> Result<std::vector<ValueId>> {
    TENON_TRY(std::vector<ValueId> results, node.graph().import_body(branch, {}));
    if (results.size() != node.output_count()) return node.bad("branch and node differ in outputs");
    return results;
  };
  if (const std::optional<bool> known = known_condition(emitter, condition)) {
    TENON_TRY(std::vector<ValueId> results, results_of(*known ? *then_branch : *else_branch));
    for (size_t i = 0; i < results.size(); ++i) node.set_output(i, results[i]);
    return {};
  }
  TENON_TRY(std::vector<ValueId> taken, results_of(*then_branch));
  TENON_TRY(std::vector<ValueId> otherwise, results_of(*else_branch));
  for (size_t i = 0; i < taken.size(); ++i) {
    TENON_TRY(ValueId result, choose(node, condition, taken[i], otherwise[i]));
    node.set_output(i, result);
  }
  return {};
}

Result<void> import_loop(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Graph* body = node.body("body");
  if (!body) return node.bad("the body is missing");
  std::optional<int64_t> limit;
  if (node.has_input(0)) {
    TENON_TRY(limit, node.integer_input(0, "counts"));
  }
  ValueId condition = node.optional_input(1);
  std::vector<ValueId> carried;
  for (size_t i = 2; i < node.input_count(); ++i) {
    TENON_TRY(ValueId value, node.input(i));
    carried.push_back(value);
  }
  const size_t states = carried.size();
  if (body->outputs.size() != node.output_count() + 1 || node.output_count() < states) {
    return node.bad("body and node differ in outputs");
  }
  std::vector<std::vector<ValueId>> pieces(node.output_count() - states);
  ValueId is_running;  // none: known to be true
  for (int64_t i = 0; !limit || i < *limit; ++i) {
    const std::optional<bool> known = condition ? known_condition(emitter, condition) : true;
    if (known && !*known) break;
    if (!known) {
      if (!limit) return node.unsupported("Loop whose number of iterations depends on data");
      if (!pieces.empty()) {
        return node.unsupported("Loop whose results are as long as its data says");
      }
      TENON_TRY(condition, emitter.reshape(condition, {}));
      is_running = condition;
    }
    TENON_TRY_DO(check_work(node, i + 1, *body));
    TENON_TRY(const ValueId step, emitter.from_elements({DType::kInt64, {}}, {Dim(i)}));
    const ValueId truth = condition ? condition : emitter.number(1, DType::kBool);
    std::vector<ValueId> operands = {step, truth};
    operands.insert(operands.end(), carried.begin(), carried.end());
    TENON_TRY(std::vector<ValueId> results, node.graph().import_body(*body, operands));
    for (size_t state = 0; state < states; ++state) {
      ValueId next = results[state + 1];
      if (is_running) {
        TENON_TRY(next, choose(node, is_running, next, carried[state]));
      }
      carried[state] = next;
    }
    condition = results[0];
    if (is_running) {
      TENON_TRY(condition, emitter.emit(Op::kAnd, {is_running, emitter.reshape(condition, {})}));
    }
    for (size_t piece = 0; piece < pieces.size(); ++piece) {
      pieces[piece].push_back(results[1 + states + piece]);
    }
  }
  for (size_t state = 0; state < states; ++state) node.set_output(state, carried[state]);
  for (size_t piece = 0; piece < pieces.size(); ++piece) {
    if (!node.wants_output(states + piece)) continue;
    if (pieces[piece].empty()) return node.unsupported("Loop without iterations that gives a list");
    TENON_TRY(const ValueId result, stack(node, pieces[piece], 0));
    node.set_output(states + piece, result);
  }
  return {};
}

Result<void> import_scan(NodeContext& node) {
  if (node.opset() < 9) return node.unsupported("Scan of version 8, over batches");
  Emitter& emitter = node.emitter();
  const Graph* body = node.body("body");
  if (!body) return node.bad("the body is missing");
  const int64_t scanned = node.integer("num_scan_inputs", 0);
  const auto inputs = static_cast<int64_t>(node.input_count());
  const int64_t states = inputs - scanned;
  if (scanned < 1 || states < 0 || body->outputs.size() != node.output_count() ||
      static_cast<int64_t>(node.output_count()) < states) {
    return node.bad("body and node differ in operands or outputs");
  }
  const int64_t listed = static_cast<int64_t>(node.output_count()) - states;
  const auto each = [&](std::string_view name, int64_t count) {
    std::vector<int64_t> given = node.integers(name).value_or(std::vector<int64_t>());
    given.resize(static_cast<size_t>(count), 0);
    return given;
  };
  std::vector<int64_t> axes = each("scan_input_axes", scanned);
  const std::vector<int64_t> directions = each("scan_input_directions", scanned);
  const std::vector<int64_t> output_axes = each("scan_output_axes", listed);
  const std::vector<int64_t> output_directions = each("scan_output_directions", listed);
  std::vector<ValueId> carried;
  for (int64_t i = 0; i < states; ++i) {
    TENON_TRY(const ValueId value, node.input(static_cast<size_t>(i)));
    carried.push_back(value);
  }
  Dim length;
  std::vector<ValueId> sources;
  for (size_t i = 0; i < axes.size(); ++i) {
    TENON_TRY(const ValueId source, node.input(static_cast<size_t>(states) + i));
    TENON_TRY(axes[i], node.axis(axes[i], emitter.rank(source)));
    length = emitter.shape(source)[static_cast<size_t>(axes[i])];
    sources.push_back(source);
  }
  if (!length.is_constant()) return node.unsupported("Scan along an axis of open size");
  TENON_TRY_DO(check_work(node, length.value(), *body));
  std::vector<std::vector<ValueId>> pieces(static_cast<size_t>(listed));
  for (int64_t step = 0; step < length.value(); ++step) {
    std::vector<ValueId> operands = carried;
    for (size_t i = 0; i < sources.size(); ++i) {
      const int64_t at = directions[i] == 0 ? step : length.value() - 1 - step;
      std::vector<Dim> dims = emitter.shape(sources[i]);
      dims.erase(dims.begin() + axes[i]);
      TENON_TRY(const ValueId element,
                emitter.reshape(emitter.slice(sources[i], axes[i], at, at + 1), std::move(dims)));
      operands.push_back(element);
    }
    TENON_TRY(std::vector<ValueId> results, node.graph().import_body(*body, operands));
    carried.assign(results.begin(), results.begin() + states);
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i].push_back(results[static_cast<size_t>(states) + i]);
    }
  }
  for (size_t i = 0; i < carried.size(); ++i) node.set_output(i, carried[i]);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const size_t output = static_cast<size_t>(states) + i;
    if (!node.wants_output(output)) continue;
    if (pieces[i].empty()) return node.unsupported("Scan without elements");
    if (output_directions[i] != 0) std::ranges::reverse(pieces[i]);
    TENON_TRY(const ValueId result, stack(node, pieces[i], output_axes[i]));
    node.set_output(output, result);
  }
  return {};
}

}  // namespace tenon::import::onnx
