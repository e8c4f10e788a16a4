#include "passes/loop/vectorise.h"

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "passes/loop/rewriter.h"
#include "passes/loop/vector_analysis.h"

namespace tenon::passes {

using namespace ir;

namespace {

/// Bodies of more vector operations keep the machine busy without unrolling.
constexpr size_t kSmallBody = 24;

/// How a loop is cut: vectors * unroll at a time, then single vectors, then a tail.
struct Shape {
  int lanes = 1, unroll = 1;
  bool masked_tail = false;
};

class Vectorise : public Rewriter {
 public:
  Vectorise(const Function& from, const VectoriseOptions& options)
      : Rewriter(from), options_(options) {}

 protected:
  void statement(StatementId id) override;

 private:
  Shape shape_of(const VectorAnalysis& analysis, std::optional<int64_t> extent) const;
  void widen_loop(const Statement& loop, const VectorAnalysis& analysis);
  void vector_body(const Statement& loop, E counter);
  void wide_statement(StatementId id);
  void wide_store(const Statement& s);

  E wide(ExprId id);
  E build_wide(ExprId id);
  E wide_load(const Expr& expr);
  E stride(ExprId id);
  E with_active(ExprId mask);
  E pinned(const char* name, E value);

  const VectoriseOptions& options_;
  // Of the loop that is being widened now.
  const VectorAnalysis* analysis_ = nullptr;
  int lanes_ = 1;
  E active_;  // the lanes of a masked tail, else none
  std::unordered_map<ExprId, E> wide_;
};

void Vectorise::statement(StatementId id) {
  if (analysis_) return wide_statement(id);
  const Statement& s = from_.statement(id);
  if (s.kind != StatementKind::kFor || s.loop != LoopKind::kVector) return Rewriter::statement(id);
  VectorAnalysis analysis(from_, s);
  bool reassociates = false;
  for (const Reduction& reduction : analysis.reductions()) {
    reassociates = reassociates || is_float(from_.variable(reduction.variable).type.dtype);
  }
  bool can_widen = analysis.can_widen() && analysis.lane_type() && s.number == 1 &&
                   !(options_.exact && reassociates);
  if (can_widen) return widen_loop(s, analysis);
  copy_loop(s, get(s.index), get(s.value), s.number, LoopKind::kSerial);
}

Shape Vectorise::shape_of(const VectorAnalysis& analysis, std::optional<int64_t> extent) const {
  Shape shape = {.lanes = options_.vector_bytes / size_of(*analysis.lane_type()),
                 .masked_tail = analysis.has_math() && analysis.is_maskable()};
  if (!analysis.has_inner_loop() && !analysis.has_math() && analysis.size() <= kSmallBody) {
    shape.unroll = analysis.reductions().empty() ? 2 : 4;
  }
  if (!extent) return shape;
  auto too_long = [&] {
    return shape.masked_tail ? *extent <= shape.lanes / 2 : *extent < shape.lanes;
  };
  while (shape.lanes > 1 && too_long()) shape.lanes /= 2;
  while (shape.unroll > 1 && *extent < shape.lanes * shape.unroll) shape.unroll /= 2;
  return shape;
}

/// A name for a value that several loops use, so that all of them see the one that it has now.
E Vectorise::pinned(const char* name, E value) {
  const Expr& expr = builder_.function().expr(value.id);
  bool is_fixed = is_constant(expr) || expr.kind == ExprKind::kParam;
  return is_fixed ? value : builder_.let(name, value);
}

/// What an accumulator starts with: nothing, or for min and max what the register holds.
E neutral(LoopBuilder& b, ExprKind op, E value) {
  if (op == ExprKind::kMul) return b.literal(1, value.type());
  if (op != ExprKind::kAdd) return value;
  return is_float(value.type().dtype) ? b.number(-0.0, value.type()) : b.literal(0, value.type());
}

ExprKind reduce_kind(ExprKind op) {
  switch (op) {
    case ExprKind::kAdd: return ExprKind::kReduceAdd;
    case ExprKind::kMul: return ExprKind::kReduceMul;
    case ExprKind::kMin: return ExprKind::kReduceMin;
    default: return ExprKind::kReduceMax;
  }
}

void Vectorise::widen_loop(const Statement& loop, const VectorAnalysis& analysis) {
  E begin = pinned("begin", get(loop.index)), end = pinned("end", get(loop.value));
  std::optional<int64_t> known = (end - begin).constant();
  auto [lanes, unroll, masked_tail] = shape_of(analysis, known);
  if (lanes < 2) return copy_loop(loop, begin, end, 1, LoopKind::kSerial);
  E extent = builder_.max(end - begin, builder_.integer(0));
  auto whole = [&](int64_t step) {
    E count = builder_.binary(ExprKind::kAnd, extent, builder_.integer(-step));
    return pinned("whole", begin + count);
  };

  std::vector<R> registers;
  std::vector<std::vector<R>> accumulators;  // of each reduction
  for (const Reduction& reduction : analysis.reductions()) {
    registers.push_back(target(reduction.variable));
    E first = builder_.broadcast(neutral(builder_, reduction.op, registers.back()), lanes);
    std::vector<R>& mine = accumulators.emplace_back();
    const std::string& name = from_.variable(reduction.variable).name;
    for (int u = 0; u < unroll; ++u) mine.push_back(builder_.let_register(name, first));
  }

  analysis_ = &analysis;
  lanes_ = lanes;
  const std::string& name = from_.variable(loop.variable).name;
  auto vectors = [&](E first, E last, int copies) {
    builder_.loop(name, first, last, int64_t{lanes} * copies, [&](E counter) {
      for (int u = 0; u < copies; ++u) {
        for (size_t i = 0; i < accumulators.size(); ++i) {
          bind_register(analysis.reductions()[i].variable, accumulators[i][u]);
        }
        vector_body(loop, counter + u * lanes);
      }
    });
  };
  E at = begin;
  if (unroll > 1) {
    E next = whole(int64_t{lanes} * unroll);
    vectors(at, next, unroll);
    at = next;
  }
  E rest = whole(lanes);
  if (!known || *known / lanes % unroll != 0 || unroll == 1) vectors(at, rest, 1);
  bool has_tail = !known || *known % lanes != 0;
  if (has_tail && masked_tail) {
    E left = builder_.cast(end - rest, DType::kInt32);
    active_ =
        builder_.let("active", builder_.ramp(builder_.integer(0, DType::kInt32), 1, lanes) < left);
    vectors(rest, end, 1);
    active_ = {};
  }
  analysis_ = nullptr;

  for (size_t i = 0; i < accumulators.size(); ++i) {
    auto [variable, op] = analysis.reductions()[i];
    E sum = accumulators[i][0];
    for (int u = 1; u < unroll; ++u) sum = builder_.binary(op, sum, accumulators[i][u]);
    bind_register(variable, registers[i]);
    builder_.assign(registers[i],
                    builder_.binary(op, registers[i], builder_.reduce(reduce_kind(op), sum)));
  }
  if (has_tail && !masked_tail) copy_loop(loop, rest, end, 1, LoopKind::kSerial);
}

void Vectorise::vector_body(const Statement& loop, E counter) {
  wide_.clear();
  bind(loop.variable, counter);
  statements(loop.body);
}

void Vectorise::wide_statement(StatementId id) {
  const Statement& s = from_.statement(id);
  const bool is_varying = s.variable && analysis_->form(s.variable) == Form::kVarying;
  if (s.kind == StatementKind::kLet && is_varying) {
    const Variable& variable = from_.variable(s.variable);
    if (variable.is_register) {
      bind_register(s.variable, builder_.let_register(variable.name, wide(s.value)));
    } else {
      bind(s.variable, builder_.let(variable.name, wide(s.value)));
    }
  } else if (s.kind == StatementKind::kAssign && is_varying) {
    E value = wide(s.value);
    const R& reg = target(s.variable);
    bool is_masked = active_.builder && analysis_->is_reduction(s.variable);
    builder_.assign(reg, is_masked ? builder_.select(active_, value, reg) : value);
  } else if (s.kind == StatementKind::kStore) {
    wide_store(s);
  } else {
    Rewriter::statement(id);
  }
}

void Vectorise::wide_store(const Statement& s) {
  E mask = with_active(s.mask);
  bool is_linear = analysis_->form(s.index) == Form::kLinear;
  if (is_linear && stride(s.index).is(1)) {
    return builder_.store(s.buffer, get(s.index), wide(s.value), mask);
  }
  E value = builder_.let("value", wide(s.value));
  if (mask.builder) mask = builder_.let("mask", mask);
  E index = is_linear ? E{} : builder_.let("index", wide(s.index));
  for (int lane = 0; lane < lanes_; ++lane) {
    E at = is_linear ? get(s.index) + stride(s.index) * lane : builder_.extract(index, lane);
    builder_.store(s.buffer, at, builder_.extract(value, lane),
                   mask.builder ? builder_.extract(mask, lane) : E{});
  }
}

E Vectorise::wide(ExprId id) {
  if (auto found = wide_.find(id); found != wide_.end()) return found->second;
  E built;
  switch (analysis_->form(id)) {
    case Form::kUniform: built = builder_.broadcast(get(id), lanes_); break;
    case Form::kLinear: {
      E step = stride(id);
      if (auto constant = step.constant()) {
        built = builder_.ramp(get(id), *constant, lanes_);
      } else {
        built = builder_.ramp(builder_.integer(0), 1, lanes_) * step + get(id);
      }
      break;
    }
    case Form::kVarying: built = build_wide(id); break;
  }
  wide_.emplace(id, built);
  return built;
}

E Vectorise::build_wide(ExprId id) {
  const Expr& expr = from_.expr(id);
  switch (expr.kind) {
    case ExprKind::kVariable: return get(id);
    case ExprKind::kLoad:
    case ExprKind::kGather: return wide_load(expr);
    case ExprKind::kFma: return builder_.fma(wide(expr.a), wide(expr.b), wide(expr.c));
    case ExprKind::kSelect: return builder_.select(wide(expr.a), wide(expr.b), wide(expr.c));
    case ExprKind::kCast: return builder_.cast(wide(expr.a), expr.type.dtype);
    case ExprKind::kBitcast: return builder_.bitcast(wide(expr.a), expr.type.dtype);
    default: break;
  }
  if (arity(expr.kind) == 1) return builder_.unary(expr.kind, wide(expr.a));
  TENON_CHECK(arity(expr.kind) == 2, "a scalar kind");
  return builder_.binary(expr.kind, wide(expr.a), wide(expr.b));
}

E Vectorise::wide_load(const Expr& expr) {
  E mask = with_active(expr.b);
  if (analysis_->form(expr.a) != Form::kLinear) {
    return builder_.gather(expr.buffer, wide(expr.a), mask);
  }
  E first = get(expr.a), step = stride(expr.a);
  if (step.is(1)) return builder_.load(expr.buffer, first, lanes_, mask);
  if (!mask.builder && (step.is(2) || step.is(-1))) {
    // The second vector of a stride of 2 starts one early, so as to end with the last lane.
    bool is_reversed = step.is(-1);
    E low = builder_.load(expr.buffer, is_reversed ? first - (lanes_ - 1) : first, lanes_);
    E high = is_reversed ? low : builder_.load(expr.buffer, first + (lanes_ - 1), lanes_);
    std::vector<int> lanes(static_cast<size_t>(lanes_));
    for (int i = 0; i < lanes_; ++i) {
      int even = 2 * i < lanes_ ? 2 * i : 2 * i + 1;
      lanes[static_cast<size_t>(i)] = is_reversed ? lanes_ - 1 - i : even;
    }
    return builder_.shuffle(low, high, lanes);
  }
  return builder_.gather(expr.buffer, wide(expr.a), mask);
}

/// What a linear or uniform expression grows by in one iteration.
E Vectorise::stride(ExprId id) {
  if (analysis_->form(id) == Form::kUniform) return builder_.integer(0);
  const Expr& expr = from_.expr(id);
  switch (expr.kind) {
    case ExprKind::kVariable: {
      VariableId variable(static_cast<size_t>(expr.bits));
      return analysis_->is_counter(variable) ? builder_.integer(1)
                                             : stride(analysis_->definition(variable));
    }
    case ExprKind::kAdd: return stride(expr.a) + stride(expr.b);
    case ExprKind::kSub: return stride(expr.a) - stride(expr.b);
    case ExprKind::kNeg: return -stride(expr.a);
    default:
      TENON_CHECK(expr.kind == ExprKind::kMul, "a linear kind");
      return analysis_->form(expr.a) == Form::kUniform ? get(expr.a) * stride(expr.b)
                                                       : stride(expr.a) * get(expr.b);
  }
}

/// The mask of an access and the tail's together; none for all lanes.
E Vectorise::with_active(ExprId mask) {
  if (!mask) return active_;
  E own = wide(mask);
  return active_.builder ? own & active_ : own;
}

}  // namespace

void vectorise(Function& function, const VectoriseOptions& options) {
  function = Vectorise(function, options).run();
}

}  // namespace tenon::passes
