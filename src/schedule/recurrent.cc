// Recurrent layers whose input products are there already: what is left of a step is h times the
// packed matrix r. One pass over h computes all gates of a few vectors of units, whose gates and
// state are then finished in registers. Every second step walks the matrix backwards, so that it
// starts with what the step before left in the cache.
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
  const int most = target.vector_registers * 3 / 4;  // accumulators
  constexpr int kMostRows = 3;
  Pass pass;
  for (int rows = 2; batch && rows <= kMostRows; ++rows) {
    if (*batch % rows == 0 && rows * gates <= most) pass.rows = rows;
  }
  while (pass.rows * gates * pass.vectors * 2 <= most && pass.vectors * target.lanes(4) < hidden) {
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
    first_row_ = b_.let("first", b_.tasks(batch / rows_) * rows_);
    h_ = b_.buffer("h", ir::DType::kFloat32, ir::BufferKind::kScratch,
                   b_.integer(2 * rows_ * padded_));
    if (op_ == Op::kLstm) {
      c_ = b_.buffer("c", ir::DType::kFloat32, ir::BufferKind::kScratch,
                     b_.integer(rows_ * padded_));
    }
    load_state(kH0, h_);
    if (op_ == Op::kLstm) load_state(kC0, c_);
    b_.loop("step", b_.integer(0), steps, 1, [&](E step) {
      time_ = b_.let("time", scope_.attrs().flag("reverse") ? steps - 1 - step : step);
      odd_ = b_.let("odd", step % 2);
      from_ = b_.let("from", odd_ * (rows_ * padded_));
      to_ = b_.let("to", (1 - odd_) * (rows_ * padded_));
      b_.loop("p", b_.integer(0), b_.integer(panels_), 1,
              [&](E p) { panel(b_.let("panel", b_.select(odd_ == 0, p, panels_ - 1 - p))); });
    });
    store_state(1, h_, steps % 2 * (rows_ * padded_));
    if (op_ == Op::kLstm) store_state(2, c_, b_.integer(0));
  }

 private:
  /// The lanes of the vector at `unit` that hold units; none: all of them.
  E mask_at(E unit) {
    if (hidden_ % width_ == 0) return {};
    return b_.let("mask", b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(hidden_ - unit, lanes_));
  }

  void for_state(const std::function<void(int row, E unit, E mask)>& body) {
    for (int row = 0; row < rows_; ++row) {
      b_.loop("u", b_.integer(0), b_.integer(padded_), lanes_,
              [&](E unit) { body(row, unit, mask_at(unit)); });
    }
  }

  void load_state(int operand, ir::BufferId state) {
    for_state([&](int row, E unit, E mask) {
      const std::vector<E> index = {first_row_ + row, unit};
      const E value = scope_.has_operand(operand) ? scope_.load(operand, index, {1, lanes_, mask})
                                                  : b_.literal(0, type_);
      b_.store(state, unit + row * padded_, value);
    });
  }

  void store_state(int result, ir::BufferId state, E offset) {
    for_state([&](int row, E unit, E mask) {
      const std::vector<E> index = {first_row_ + row, unit};
      scope_.store(result, index, b_.load(state, offset + unit + row * padded_, lanes_),
                   {1, lanes_, mask});
    });
  }

  ir::R& sum(int row, int gate, int vector) {
    return sums_[(row * gates_ + gate) * (width_ / lanes_) + vector];
  }

  /// All gates of one panel of units: their sums over h, then the new state.
  void panel(E panel) {
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
        for (int u = 0; u < unroll; ++u)
          multiply(base, backwards ? hidden_ - 1 - u - k : k + u, vectors);
      });
    };
    b_.if_then(odd_ == 0, [&] { walk(false); }, [&] { walk(true); });
    for (int row = 0; row < rows_; ++row) {
      for (int v = 0; v < vectors; ++v) update(row, v, units[v], masks[v]);
    }
  }

  /// Adds h[k] times row k of the panel.
  void multiply(E base, E k, int vectors) {
    std::vector<E> held;
    for (int row = 0; row < rows_; ++row) {
      const E element = b_.load(h_, from_ + k + row * padded_);
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

  void update(int row, int v, E unit, E mask) {
    const E element = first_row_ + row;
    auto from_x = [&](int gate) {
      const std::vector<E> index = {time_, element, unit + gate * hidden_};
      return scope_.load(kInput, index, {2, lanes_, mask});
    };
    auto both = [&](int gate) { return from_x(gate) + sum(row, gate, v); };
    E next;
    if (op_ == Op::kLstm) {
      const E at = unit + row * padded_;
      const E kept = sigmoid(both(2)) * b_.load(c_, at, lanes_);
      const E c = b_.let("c", b_.fma(sigmoid(both(0)), tanh(both(3)), kept));
      b_.store(c_, at, c);
      next = sigmoid(both(1)) * tanh(c);
    } else if (op_ == Op::kGru) {
      const E z = sigmoid(both(0));
      const E n = tanh(b_.fma(sigmoid(both(1)), sum(row, 2, v), from_x(2)));
      const E before = b_.load(h_, from_ + unit + row * padded_, lanes_);
      next = (b_.literal(1, type_) - z) * n + z * before;
    } else {
      const bool relu = scope_.attrs().text("activation") == "Relu";
      next = relu ? b_.max(both(0), b_.literal(0, type_)) : tanh(both(0));
    }
    next = b_.let("next", next);
    b_.store(h_, to_ + unit + row * padded_, next);
    const std::vector<E> index = {time_, element, unit};
    scope_.store(0, index, next, {2, lanes_, mask});
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
  ir::BufferId h_, c_;  // state of all rows, padded to whole panels; h twice: before and after
  E first_row_, time_, odd_, from_, to_;
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
