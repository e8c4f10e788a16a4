// Recurrent layers whose input products are there already: what is left of a step is h times the
// packed matrix r. A step is a round of tasks, so that threads share it; a task is one panel of
// units: one pass over h computes all their gates, which are then finished in registers with the
// state. The state of the step before is read from the results. Every second round runs its tasks
// backwards and every second step walks its panel so, so that both start with what the step before
// left in the cache.
#include <algorithm>

#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;
using ir::Op;

constexpr int kInput = 1, kR = 2, kBias = 3, kH0 = 4, kC0 = 5;

OperandLayout operand_layout(const Module&, const Node&, int operand) {
  OperandLayout layout;
  if (operand == kR) layout.unit_axis = 3;
  return layout;
}

/// Batch elements and vectors of units of one pass.
struct Pass {
  int rows = 1, vectors = 1;
};

/// As many batch elements as share the matrix evenly, then as many vectors as the registers hold.
Pass choose_pass(const Target& target, int64_t gates, int64_t hidden,
                 std::optional<int64_t> batch) {
  const auto fits = [&](int rows, int vectors) {
    const int64_t sums = rows * gates * vectors, held = rows + 1;
    return sums <= target.vector_registers * 3 / 4 && sums + held <= target.vector_registers;
  };
  constexpr int kMostRows = 6;
  Pass pass;
  for (int rows = 2; batch && rows <= kMostRows; ++rows) {
    if (*batch % rows == 0 && fits(rows, 1)) pass.rows = rows;
  }
  while (fits(pass.rows, pass.vectors * 2) && pass.vectors * target.lanes(4) < hidden) {
    pass.vectors *= 2;
  }
  return pass;
}

std::optional<int64_t> batch_of(const ir::TensorType& input) {
  return input.dims[1].is_constant() ? std::optional(input.dims[1].value()) : std::nullopt;
}

class Loops {
 public:
  Loops(LoopScope& scope, Op op)
      : scope_(scope),
        b_(scope.builder()),
        op_(op),
        r_(scope.view(kR)),
        lanes_(scope.target().lanes(4)),
        hidden_(scope.attrs().integer("hidden")),
        gates_(static_cast<int>(scope.operand_type(kR).dims[0].value())),
        panels_(scope.operand_type(kR).dims[1].value()),
        width_(scope.operand_type(kR).dims[3].value()),
        padded_(panels_ * width_),
        rows_(choose_pass(scope.target(), gates_, hidden_, batch_of(scope.operand_type(kInput)))
                  .rows),
        type_{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)} {}

  void run() {
    const E batch = scope_.dim(scope_.operand_type(kInput).dims[1]);
    const E steps = scope_.dim(scope_.operand_type(kInput).dims[0]);
    const E blocks = batch / rows_, of_a_step = b_.let("of_a_step", blocks * panels_);
    const E rounds = b_.max(steps, b_.integer(1));
    const E task = b_.tasks(rounds * blocks * panels_);
    b_.rounds(rounds);
    h_ = b_.buffer("h", ir::DType::kFloat32, ir::BufferKind::kScratch, b_.integer(rows_ * padded_));
    const E step = b_.let("step", task / of_a_step);
    const E of_step = b_.let("of_step", task % of_a_step);
    first_row_ = b_.let("first", of_step % blocks * rows_);
    first_ = b_.let("is_first", step == 0);
    last_ = b_.let("is_last", step == rounds - 1);
    odd_ = b_.let("odd", step % 2);
    const bool reverse = scope_.attrs().flag("reverse");
    time_ = b_.let("time", reverse ? steps - 1 - step : step);
    b_.if_then(
        first_,
        [&] {
          load_state([&](const auto& index, Lanes lanes) { return initial(kH0, index, lanes); });
        },
        [&] {
          const E before = b_.let("before", reverse ? time_ + 1 : time_ - 1);
          load_state([&](std::vector<E> index, Lanes lanes) {
            index.insert(index.begin(), before);
            ++lanes.axis;
            return scope_.load_result(0, index, lanes);
          });
        });
    panel(b_.let("panel", of_step / blocks), steps);
  }

 private:
  using Lanes = ir::Lanes;

  /// The lanes of the vector at `unit` that hold units; none: all of them.
  E mask_at(E unit) {
    if (hidden_ % width_ == 0) return {};
    return b_.let("mask", b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(hidden_ - unit, lanes_));
  }

  /// The state before the first step.
  E initial(int operand, const std::vector<E>& index, Lanes lanes) {
    return scope_.has_operand(operand) ? scope_.load(operand, index, lanes) : b_.literal(0, type_);
  }

  /// Brings the state of all units, at [batch element, unit], to this thread.
  template <class From>
  void load_state(From from) {
    for (int row = 0; row < rows_; ++row) {
      b_.loop("u", b_.integer(0), b_.integer(padded_), lanes_, [&](E unit) {
        const std::vector<E> index = {first_row_ + row, unit};
        b_.store(h_, unit + row * padded_, from(index, Lanes{1, lanes_, mask_at(unit)}));
      });
    }
  }

  ir::R& sum(int row, int gate, int vector) {
    return sums_[(row * gates_ + gate) * (width_ / lanes_) + vector];
  }

  /// All gates of one panel of units: their sums over h, then the new state.
  void panel(E panel, E steps) {
    const int vectors = static_cast<int>(width_) / lanes_;
    std::vector<E> units, masks;
    for (int v = 0; v < vectors; ++v) {
      units.push_back(b_.let("unit", panel * width_ + v * lanes_));
      masks.push_back(mask_at(units.back()));
    }
    sums_.clear();
    for (int row = 0; row < rows_; ++row) {
      for (int gate = 0; gate < gates_; ++gate) {
        for (int v = 0; v < vectors; ++v) {
          E first = b_.literal(0, type_);
          if (scope_.has_operand(kBias)) {
            const std::vector<E> index = {units[v] + (gates_ + gate) * hidden_};
            first = scope_.load(kBias, index, {0, lanes_, masks[v]});
          }
          sums_.push_back(b_.let_register("sum", first));
        }
      }
    }
    const E base = b_.let("base", r_.offset + panel * r_.strides[1]);
    const int unroll = hidden_ % 4 == 0 ? 4 : hidden_ % 2 == 0 ? 2 : 1;
    auto walk = [&](bool backwards) {
      b_.loop("k", b_.integer(0), b_.integer(hidden_), unroll, [&](E k) {
        if (backwards) k = b_.let("first", hidden_ - unroll - k);
        for (int u = 0; u < unroll; ++u)
          multiply(base, backwards ? k + (unroll - 1 - u) : k + u, vectors);
      });
    };
    b_.if_then(odd_ == 0, [&] { walk(false); }, [&] { walk(true); });
    auto for_units = [&](auto body) {
      for (int row = 0; row < rows_; ++row) {
        for (int v = 0; v < vectors; ++v) body(row, v, units[v], masks[v]);
      }
    };
    auto update_all = [&] { for_units([&](auto... at) { update(at...); }); };
    if ((steps == 0).is(0)) return update_all();
    b_.if_then(steps == 0, [&] { for_units([&](auto... at) { keep(at...); }); }, update_all);
  }

  /// Adds h[k] times row k of the panel.
  void multiply(E base, E k, int vectors) {
    std::vector<E> held;
    for (int row = 0; row < rows_; ++row) {
      const E element = b_.load(h_, k + row * padded_);
      held.push_back(b_.let("h", b_.broadcast(element, lanes_)));
    }
    for (int gate = 0; gate < gates_; ++gate) {
      for (int v = 0; v < vectors; ++v) {
        const E at = base + k * r_.strides[2] + r_.strides[0] * gate + v * lanes_;
        const E w = b_.let("w", b_.load(r_.buffer, at, lanes_));
        for (int row = 0; row < rows_; ++row) {
          const ir::R& s = sum(row, gate, v);
          b_.assign(s, b_.fma(held[row], w, s));
        }
      }
    }
  }

  E tanh(E x) { return b_.let("t", b_.unary(ir::ExprKind::kTanh, x)); }
  E sigmoid(E x) {
    const E one = b_.literal(1, type_);
    return b_.let("s", one / (one + b_.unary(ir::ExprKind::kExp, -x)));
  }

  /// The final state where there is no step.
  void keep(int row, int, E unit, E mask) {
    const std::vector<E> index = {first_row_ + row, unit};
    const Lanes lanes = {1, lanes_, mask};
    scope_.store(1, index, initial(kH0, index, lanes), lanes);
    if (op_ == Op::kLstm) scope_.store(2, index, initial(kC0, index, lanes), lanes);
  }

  void update(int row, int v, E unit, E mask) {
    const std::vector<E> index = {first_row_ + row, unit};
    const Lanes lanes = {1, lanes_, mask};
    auto from_x = [&](int gate) {
      const std::vector<E> at = {time_, index[0], unit + gate * hidden_};
      return scope_.load(kInput, at, {2, lanes_, mask});
    };
    auto both = [&](int gate) { return from_x(gate) + sum(row, gate, v); };
    E next;
    if (op_ == Op::kLstm) {
      // The cells' state waits for the next step where the last one is to leave it.
      const E before =
          b_.select(first_, initial(kC0, index, lanes), scope_.load_result(2, index, lanes));
      const E kept = sigmoid(both(2)) * before;
      const E c = b_.let("c", b_.fma(sigmoid(both(0)), tanh(both(3)), kept));
      scope_.store(2, index, c, lanes);
      next = sigmoid(both(1)) * tanh(c);
    } else if (op_ == Op::kGru) {
      const E z = sigmoid(both(0));
      const E n = tanh(b_.fma(sigmoid(both(1)), sum(row, 2, v), from_x(2)));
      const E before = b_.load(h_, unit + row * padded_, lanes_);
      next = (b_.literal(1, type_) - z) * n + z * before;
    } else {
      const bool relu = scope_.attrs().text("activation") == "Relu";
      next = relu ? b_.max(both(0), b_.literal(0, type_)) : tanh(both(0));
    }
    next = b_.let("next", next);
    const std::vector<E> at = {time_, index[0], unit};
    scope_.store(0, at, next, {2, lanes_, mask});
    b_.if_then(last_, [&] { scope_.store(1, index, next, lanes); });
  }

  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const Op op_;
  const ir::View r_;
  const int lanes_;
  const int64_t hidden_;
  const int gates_;
  const int64_t panels_, width_, padded_;
  const int rows_;
  const ir::VectorType type_;
  ir::BufferId h_;  // what the step before gave for all rows, padded to whole panels
  E first_row_, time_, first_, last_, odd_;
  std::vector<ir::R> sums_;
};

template <Op op>
bool applies(const Module& module, const Node& node, const Target&) {
  return node.op == op && module.value(node.inputs[kInput]).type.rank() == 3 &&
         module.value(node.inputs[kR]).type.rank() == 4;
}

template <Op op>
void loops(LoopScope& scope) {
  Loops(scope, op).run();
}

template <Op op>
const Recipe& recipe_for(std::string_view name) {
  static const Recipe recipe = {name, applies<op>, operand_layout, false, loops<op>};
  return recipe;
}

}  // namespace

const Recipe& lstm_recipe() { return recipe_for<Op::kLstm>("lstm"); }
const Recipe& gru_recipe() { return recipe_for<Op::kGru>("gru"); }
const Recipe& rnn_recipe() { return recipe_for<Op::kRnn>("rnn"); }

int recurrent_width(const Module& module, const Node& node, const Target& target) {
  const ir::TensorType& input = module.value(node.inputs[kInput]).type;
  if (input.rank() != 3) return 0;
  if (node.op == Op::kGru && !node.attrs.flag("linear_before_reset")) return 0;
  const int64_t hidden = node.attrs.integer("hidden");
  const int64_t gates = node.op == Op::kLstm ? 4 : node.op == Op::kGru ? 3 : 1;
  return choose_pass(target, gates, hidden, batch_of(input)).vectors * target.lanes(4);
}

}  // namespace tenon::schedule
