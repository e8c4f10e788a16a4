// Recurrent layers over x [steps, batch, inputs] in one direction, backwards if `reverse`; w [G*H,
// inputs], r [G*H, H], b [2*G*H] (for w, then for r), h0 and c0 [batch, H]; absent operands are 0.
// Results: y [steps, batch, H] and the last h (and c) [batch, H]. With x' = w x + b_w and
// h' = r h + b_r, gates in this order, s = sigmoid:
//   lstm: i o f c: c = s(f) c + s(i) tanh(c'), h = s(o) tanh(c), each gate being x' + h'.
//   gru: z r h: n = tanh(x' + s(r) h') if linear_before_reset, else with r (s(r) h) + b_r for the
//     latter; h = (1 - s(z)) n + s(z) h.
//   rnn: h = activation(x' + h'), Tanh or Relu.
// w may be x' itself, [steps, batch, G*H]; then x is not read. r may be packed, by gate the result
// of pack_matrix of its transpose: [G, ceil(H / W), H, W] in panels of W units.
#include <algorithm>
#include <array>
#include <cmath>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

/// Positions of the operands.
enum Operand { kX, kW, kR, kB, kH0, kC0 };

Inferred infer_recurrent(InferContext& context, int64_t gates) {
  const ir::TensorType& x = *context.operands[kX];
  const int64_t hidden = context.attrs.integer("hidden");
  if (!ir::is_float(x.dtype)) return wrong("the input must be floats");
  if (x.rank() != 3) {
    return wrong("input {} does not have steps, batch and features",
                 shape_text(context.dims, x.dims));
  }
  const ir::Dim batch = x.dims[1];
  std::vector<ir::Dim> expected[] = {x.dims,
                                     {gates * hidden, x.dims[2]},
                                     {gates * hidden, hidden},
                                     {2 * gates * hidden},
                                     {batch, hidden},
                                     {batch, hidden}};
  constexpr std::string_view kNames[] = {"x", "w", "r", "b", "h0", "c0"};
  for (size_t i = 1; i < context.operands.size(); ++i) {
    const ir::TensorType* operand = context.operands[i];
    if (i == kW && operand->rank() == 3) expected[i] = {x.dims[0], batch, gates * hidden};
    if (i == kR && operand->rank() == 4 && operand->dims[3].is_constant()) {
      const int64_t width = std::max<int64_t>(1, operand->dims[3].value());
      expected[i] = {gates, (hidden + width - 1) / width, hidden, width};
    }
    if (operand && *operand != ir::TensorType{x.dtype, expected[i]}) {
      return wrong("{} must be {} {} for {} hidden units, not {}", kNames[i],
                   ir::to_string(x.dtype), shape_text(context.dims, expected[i]), hidden,
                   ir::to_string(context.dims, *operand));
    }
  }
  const ir::TensorType state{x.dtype, {batch, hidden}};
  return std::vector{ir::TensorType{x.dtype, {x.dims[0], batch, hidden}}, state};
}

Inferred infer_lstm(InferContext& context) {
  TENON_TRY(std::vector<ir::TensorType> types, infer_recurrent(context, 4));
  types.push_back(types[1]);
  return types;
}

Inferred infer_gru(InferContext& context) { return infer_recurrent(context, 3); }

Inferred infer_rnn(InferContext& context) {
  const std::string& activation = context.attrs.text("activation");
  if (activation != "Tanh" && activation != "Relu") {
    return wrong("activation {} is neither Tanh nor Relu", activation);
  }
  return infer_recurrent(context, 1);
}

template <class T>
std::vector<T> transpose(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  std::vector<T> result(rows * columns);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) result[j * rows + i] = matrix.as<T>()[i * columns + j];
  }
  return result;
}

/// r as [H, G*H], packed or not.
template <class T>
std::vector<T> recurrent_matrix(const Tensor& r, int64_t hidden) {
  if (r.rank() == 2) return transpose<T>(r);
  const int64_t gates = r.shape()[0], panels = r.shape()[1], width = r.shape()[3];
  std::vector<T> result(hidden * gates * hidden);
  for (int64_t k = 0; k < hidden; ++k) {
    for (int64_t row = 0; row < gates * hidden; ++row) {
      const int64_t unit = row % hidden, panel = row / hidden * panels + unit / width;
      result[k * gates * hidden + row] = r.as<T>()[(panel * hidden + k) * width + unit % width];
    }
  }
  return result;
}

/// The reference evaluation of one layer: computes x' and h' of a step for the whole batch and
/// leaves the rest to a cell.
template <class T>
struct Steps {
  EvaluateContext& context;
  int64_t gates;
  int64_t steps = context.operands[kX]->shape()[0], batch = context.operands[kX]->shape()[1];
  int64_t inputs = context.operands[kX]->shape()[2], hidden = context.attrs.integer("hidden");
  int64_t width = gates * hidden;
  bool projected = context.operands[kW]->rank() == 3;
  std::vector<T> w = projected ? std::vector<T>() : transpose<T>(*context.operands[kW]);
  std::vector<T> r = recurrent_matrix<T>(*context.operands[kR], hidden);
  std::vector<T> h = state(kH0);

  /// The initial state of this operand, 0 when it is absent.
  std::vector<T> state(int operand) const {
    const Tensor* first = context.operands[operand];
    if (first == nullptr) return std::vector<T>(batch * hidden);
    return {first->as<T>().begin(), first->as<T>().end()};
  }

  /// One row per batch element with half of the bias: `part` 0 is that of w, 1 that of r.
  std::vector<T> biases(int64_t part) const {
    std::vector<T> rows(batch * width);
    if (const Tensor* b = context.operands[kB]) {
      for (int64_t n = 0; n < batch; ++n) {
        std::copy_n(b->as<T>().data() + part * width, width, rows.data() + n * width);
      }
    }
    return rows;
  }

  /// Calls `cell(x', h')`, each [batch][gates * hidden], which updates h.
  template <class Cell>
  void run(Cell&& cell) {
    const bool reverse = context.attrs.flag("reverse");
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t time = reverse ? steps - 1 - step : step;
      std::vector<T> from_x = biases(0), from_h = biases(1);
      if (projected) {
        std::copy_n(context.operands[kW]->as<T>().data() + time * batch * width, batch * width,
                    from_x.data());
      } else {
        multiply_matrices(batch, width, inputs,
                          context.operands[kX]->as<T>().data() + time * batch * inputs, inputs,
                          w.data(), width, from_x.data(), width);
      }
      multiply_matrices(batch, width, hidden, h.data(), hidden, r.data(), width, from_h.data(),
                        width);
      cell(from_x, from_h);
      std::ranges::copy(h, context.results[0]->as<T>().data() + time * batch * hidden);
    }
    std::ranges::copy(h, context.results[1]->as<T>().data());
  }
};

template <class T>
T logistic(T x) {
  return 1 / (1 + std::exp(-x));
}

Evaluated evaluate_lstm(EvaluateContext& context) {
  dispatch_float(context.operands[kX]->dtype(), [&]<class T>() {
    Steps<T> steps{context, 4};
    std::vector<T> c = steps.state(kC0);
    const int64_t hidden = steps.hidden;
    steps.run([&](const std::vector<T>& from_x, const std::vector<T>& from_h) {
      for (int64_t i = 0; i < steps.batch * hidden; ++i) {
        const auto gate = [&](int64_t g) {
          const int64_t at = i / hidden * steps.width + g * hidden + i % hidden;
          return from_x[at] + from_h[at];
        };
        c[i] = logistic(gate(2)) * c[i] + logistic(gate(0)) * std::tanh(gate(3));
        steps.h[i] = logistic(gate(1)) * std::tanh(c[i]);
      }
    });
    std::ranges::copy(c, context.results[2]->as<T>().data());
  });
  return {};
}

Evaluated evaluate_gru(EvaluateContext& context) {
  const bool linear_before_reset = context.attrs.flag("linear_before_reset");
  dispatch_float(context.operands[kX]->dtype(), [&]<class T>() {
    Steps<T> steps{context, 3};
    const int64_t hidden = steps.hidden;
    const std::vector<T> biases = steps.biases(1);
    steps.run([&](const std::vector<T>& from_x, std::vector<T>& from_h) {
      const auto at = [&](int64_t i, int64_t g) {
        return i / hidden * steps.width + g * hidden + i % hidden;
      };
      const auto gate = [&](int64_t i, int64_t g) {
        return logistic(from_x[at(i, g)] + from_h[at(i, g)]);
      };
      const int64_t count = steps.batch * hidden;
      std::vector<T> candidate(count);
      if (linear_before_reset) {
        for (int64_t i = 0; i < count; ++i) candidate[i] = gate(i, 1) * from_h[at(i, 2)];
      } else {
        std::vector<T> reset(count);
        for (int64_t i = 0; i < count; ++i) reset[i] = gate(i, 1) * steps.h[i];
        for (int64_t i = 0; i < count; ++i) candidate[i] = biases[at(i, 2)];
        multiply_matrices(steps.batch, hidden, hidden, reset.data(), hidden,
                          steps.r.data() + 2 * hidden, steps.width, candidate.data(), hidden);
      }
      for (int64_t i = 0; i < count; ++i) {
        const T z = gate(i, 0), n = std::tanh(from_x[at(i, 2)] + candidate[i]);
        steps.h[i] = (1 - z) * n + z * steps.h[i];
      }
    });
  });
  return {};
}

Evaluated evaluate_rnn(EvaluateContext& context) {
  const bool relu = context.attrs.text("activation") == "Relu";
  dispatch_float(context.operands[kX]->dtype(), [&]<class T>() {
    Steps<T> steps{context, 1};
    steps.run([&](const std::vector<T>& from_x, const std::vector<T>& from_h) {
      for (size_t i = 0; i < steps.h.size(); ++i) {
        const T sum = from_x[i] + from_h[i];
        steps.h[i] = relu ? std::max(sum, T{}) : std::tanh(sum);
      }
    });
  });
  return {};
}

/// The naive loops of one layer: one task per batch element, which keeps its state in scratch
/// memory and walks through the steps.
struct RecurrentLoops {
  ir::LoopScope& scope;
  int64_t gates;
  ir::LoopBuilder& builder = scope.builder();
  ir::VectorType type{ir::compute_type(scope.result_type(0).dtype)};
  E zero = builder.literal(0, type), one = builder.literal(1, type);
  E hidden = builder.integer(scope.attrs().integer("hidden")), width = hidden * gates;
  std::vector<E> sizes = extents_of(scope, scope.operand_type(kX));  // steps, batch, inputs
  E batch = tasks_over(builder, sizes, std::vector{1})[1];
  Scratch from_x{builder, "from_x", type.dtype, width};
  Scratch from_h{builder, "from_h", type.dtype, width};
  Scratch h{builder, "h", type.dtype, hidden};

  void for_each_unit(const std::function<void(E)>& body) {
    builder.loop("j", hidden, body, ir::LoopKind::kVector);
  }

  void load_state(Scratch& state, int operand) {
    for_each_unit([&](E j) {
      state.set(j, scope.has_operand(operand) ? scope.load(operand, std::vector{batch, j}) : zero);
    });
  }

  void store_state(const Scratch& state, int result) {
    for_each_unit([&](E j) { scope.store(result, std::vector{batch, j}, state[j]); });
  }

  /// Where row and column of w or r lie in the operand, packed or not.
  std::vector<E> matrix_index(int matrix, E row, E k) {
    const ir::TensorType& packed = scope.operand_type(matrix);
    if (packed.rank() == 2) return {row, k};
    const int64_t lanes = packed.dims[3].value();
    const E unit = row % hidden;
    return {row / hidden, unit / lanes, k, unit % lanes};
  }

  /// The bias (part 0 that of w, 1 that of r) plus a product with one row of w or r.
  E row_product(int matrix, E row, E count, const std::function<E(E)>& vector) {
    const int64_t part = matrix == kW ? 0 : 1;
    const E bias = scope.has_operand(kB) ? scope.load(kB, std::vector{width * part + row}) : zero;
    const ir::R sum = builder.let_register("sum", bias);
    builder.loop(
        "k", count,
        [&](E k) {
          const E weight = scope.load(matrix, matrix_index(matrix, row, k));
          builder.assign(sum, builder.fma(weight, vector(k), sum));
        },
        ir::LoopKind::kVector);
    return sum;
  }

  /// Loops over the steps: computes x' and h', runs the cell, which updates h, and stores y.
  void run(const std::function<void()>& cell) {
    load_state(h, kH0);
    builder.loop("step", sizes[0], [&](E step) {
      const E time =
          builder.let("time", scope.attrs().flag("reverse") ? sizes[0] - 1 - step : step);
      builder.loop("row", width, [&](E row) {
        from_x.set(row, scope.operand_type(kW).rank() == 3
                            ? scope.load(kW, std::vector{time, batch, row})
                            : row_product(kW, row, sizes[2], [&](E k) {
                                return scope.load(kX, std::vector{time, batch, k});
                              }));
        from_h.set(row, row_product(kR, row, hidden, [&](E k) { return h[k]; }));
      });
      cell();
      for_each_unit([&](E j) { scope.store(0, std::vector{time, batch, j}, h[j]); });
    });
    store_state(h, 1);
  }

  /// Gate g of unit j before its activation.
  E gate(int64_t g, E j) const { return from_x[hidden * g + j] + from_h[hidden * g + j]; }
  E tanh(E x) { return builder.unary(ir::ExprKind::kTanh, x); }
};

void lstm_loops(ir::LoopScope& scope) {
  RecurrentLoops layer{scope, 4};
  ir::LoopBuilder& builder = layer.builder;
  Scratch c(builder, "c", layer.type.dtype, layer.hidden);
  layer.load_state(c, kC0);
  layer.run([&] {
    layer.for_each_unit([&](E j) {
      const E input = sigmoid(builder, layer.gate(0, j));
      const E forget = sigmoid(builder, layer.gate(2, j));
      const E next = builder.let("next", forget * c[j] + input * layer.tanh(layer.gate(3, j)));
      c.set(j, next);
      layer.h.set(j, sigmoid(builder, layer.gate(1, j)) * layer.tanh(next));
    });
  });
  layer.store_state(c, 2);
}

void gru_loops(ir::LoopScope& scope) {
  RecurrentLoops layer{scope, 3};
  ir::LoopBuilder& builder = layer.builder;
  Scratch candidate(builder, "candidate", layer.type.dtype, layer.hidden);
  Scratch reset(builder, "reset", layer.type.dtype, layer.hidden);
  const E third = layer.hidden * 2;
  layer.run([&] {
    const bool linear_before_reset = scope.attrs().flag("linear_before_reset");
    layer.for_each_unit([&](E j) {
      const E gate = sigmoid(builder, layer.gate(1, j));
      reset.set(j, gate * (linear_before_reset ? layer.from_h[third + j] : layer.h[j]));
    });
    if (!linear_before_reset) {
      builder.loop("row", layer.hidden, [&](E row) {
        candidate.set(
            row, layer.row_product(kR, third + row, layer.hidden, [&](E k) { return reset[k]; }));
      });
    }
    layer.for_each_unit([&](E j) {
      const E addend = linear_before_reset ? reset[j] : candidate[j];
      const E next = layer.tanh(layer.from_x[third + j] + addend);
      const E z = builder.let("z", sigmoid(builder, layer.gate(0, j)));
      layer.h.set(j, (layer.one - z) * next + z * layer.h[j]);
    });
  });
}

void rnn_loops(ir::LoopScope& scope) {
  RecurrentLoops layer{scope, 1};
  const bool relu = scope.attrs().text("activation") == "Relu";
  layer.run([&] {
    layer.for_each_unit([&](E j) {
      const E sum = layer.gate(0, j);
      layer.h.set(j, relu ? layer.builder.max(sum, layer.zero) : layer.tanh(sum));
    });
  });
}

}  // namespace

template <>
Operator define<ir::Op::kLstm>() {
  return {infer_lstm, in_compute_type<evaluate_lstm>, lstm_loops};
}

template <>
Operator define<ir::Op::kGru>() {
  return {infer_gru, in_compute_type<evaluate_gru>, gru_loops};
}

template <>
Operator define<ir::Op::kRnn>() {
  return {infer_rnn, in_compute_type<evaluate_rnn>, rnn_loops};
}

}  // namespace tenon::ops
