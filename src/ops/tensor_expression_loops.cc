#include "ops/tensor_expression.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "ops/index.h"
#include "ops/loops.h"
#include "ops/nest.h"

namespace tenon::ops {
namespace {

using ir::DType;
using ir::E;
using ir::Expr;
using ir::ExprId;
using ir::ExprKind;
using ir::LoopKind;
using Read = TensorExpression::Read;
using Reduction = TensorExpression::Reduction;

/// Which loop becomes vectors: along the result's innermost axis, or of each reduction the last.
class VectorChoice {
 public:
  VectorChoice(ir::LoopScope& scope, const TensorExpression& expression)
      : scope_(scope), expression_(expression) {}

  bool reductions() const;

 private:
  /// What vectors along this parameter cost: of each read the loads of a step.
  double cost(E parameter, std::optional<int64_t> extent) const;
  std::optional<double> stride(ExprId id, E parameter) const;

  ir::LoopScope& scope_;
  const TensorExpression& expression_;
};

bool VectorChoice::reductions() const {
  std::optional<double> along_reductions, along_result;
  const std::vector<E> extents = extents_of(scope_, scope_.result_type(0));
  const int axis = innermost_axis(scope_.memory_order(0), extents);
  if (axis >= 0) along_result = cost(expression_.indices[axis], extents[axis].constant());
  for (const auto& leaf : expression_.leaves) {
    const auto* reduction = std::get_if<Reduction>(&leaf);
    if (!reduction) continue;
    for (const auto& counter : reduction->counters) {
      // Elements whose loops end at different places do not run side by side.
      if (axis >= 0 && stride(counter.end.id, expression_.indices[axis]) != 0) along_result.reset();
    }
    if (!reduction->is_innermost) continue;
    const auto& last = reduction->counters.back();
    along_reductions = along_reductions.value_or(0) + cost(last.parameter, last.end.constant());
  }
  return along_reductions && (!along_result || *along_reductions < *along_result);
}

double VectorChoice::cost(E parameter, std::optional<int64_t> extent) const {
  constexpr double kGather = 8, kShort = 100;
  constexpr int64_t kShortExtent = 8;
  double cost = extent && *extent <= kShortExtent ? kShort : 0;
  for (const auto& leaf : expression_.leaves) {
    const auto* read = std::get_if<Read>(&leaf);
    if (!read) continue;
    const int operand = static_cast<int>(read->operand);
    const int inner = innermost_axis(scope_.operand_order(operand),
                                     extents_of(scope_, scope_.operand_type(operand)));
    for (int axis = 0; axis < std::ssize(read->index); ++axis) {
      const double step = std::abs(stride(read->index[axis].id, parameter).value_or(kGather));
      cost += step == 0 ? 0 : axis == inner ? std::min(step, kGather) : kGather;
    }
  }
  return cost;
}

/// What the value grows by with the parameter; nothing where that is not one number.
std::optional<double> VectorChoice::stride(ExprId id, E parameter) const {
  if (!id) return 0;
  if (id == parameter.id) return 1;
  const Expr& expr = expression_.expr(id);
  if (expr.kind == ExprKind::kLoad) {
    const auto* read = std::get_if<Read>(&expression_.leaves[expr.buffer.index]);
    if (!read) return std::nullopt;
    const bool fixed =
        std::ranges::all_of(read->index, [&](E index) { return stride(index.id, parameter) == 0; });
    return fixed ? std::optional<double>(0) : std::nullopt;
  }
  const auto a = stride(expr.a, parameter), b = stride(expr.b, parameter);
  if (a == 0 && b == 0 && stride(expr.c, parameter) == 0) return 0;
  if (!a || !b) return std::nullopt;
  if (expr.kind == ExprKind::kAdd) return *a + *b;
  if (expr.kind == ExprKind::kSub) return *a - *b;
  if (expr.kind == ExprKind::kNeg) return -*a;
  const Expr& factor = expression_.expr(expr.b);  // constants stand on the right
  if (expr.kind == ExprKind::kMul && factor.kind == ExprKind::kInteger)
    return *a * static_cast<double>(factor.bits);
  return std::nullopt;
}

class Loops {
 public:
  Loops(ir::LoopScope& scope, const TensorExpression& expression)
      : scope_(scope),
        expression_(expression),
        reductions_are_vectors_(VectorChoice(scope, expression).reductions()),
        parameters_(expression.builder.function().params.size()) {}

  void run();

 private:
  E& parameter(E e) { return parameters_[static_cast<size_t>(expression_.expr(e.id).bits)]; }
  int64_t work() const;
  bool checks_later() const;

  /// The value where `active`; elsewhere anything. Without: everywhere.
  E get(ExprId id, E active);
  E make(const Expr& expr, E active);
  E read(const Read& read, E active);
  E reduce(const Reduction& reduction, E active);
  void combine(const Reduction& reduction, size_t counter, E active, const ir::R& combined);
  E step(const Reduction& reduction, E active, const ir::R& combined);

  static E both(E a, E b) { return !a.builder ? b : !b.builder ? a : a & b; }

  ir::LoopScope& scope_;
  const TensorExpression& expression_;
  const bool reductions_are_vectors_;
  ir::LoopBuilder& builder_ = scope_.builder();
  std::vector<E> parameters_;
  std::map<std::pair<ExprId, ExprId>, E> known_;  // by expression and `active`, in this block
  std::optional<ir::R> outside_;                  // 1 where a read was outside of its operand
  int unbounded_loops_ = 0;  // around here, whose ends only data bounds: they check at once
};

void Loops::run() {
  for (const TensorExpression::Size& size : expression_.sizes) {
    const ir::TensorType& type = scope_.operand_type(static_cast<int>(size.operand));
    parameter(size.parameter) = scope_.dim(type.dims[size.axis]);
  }
  const Nest nest(scope_, 0, work());
  const E task = builder_.tasks(nest.task_count());
  if (checks_later()) {
    outside_ = builder_.let_register("outside", builder_.integer(0, DType::kInt32));
  }
  nest.elements(
      task,
      [&](std::span<const E> index) {
        for (size_t axis = 0; axis < index.size(); ++axis) {
          parameter(expression_.indices[axis]) = index[axis];
        }
        known_.clear();
        scope_.store(0, index, get(expression_.value.id, {}));
      },
      reductions_are_vectors_ ? LoopKind::kSerial : LoopKind::kVector);
  if (outside_) builder_.check(*outside_ == 0, kIndexOutOfRange);
}

/// Operations of an element, about.
int64_t Loops::work() const {
  constexpr int64_t kUnknownExtent = 64, kMost = 1 << 20;
  int64_t work = 1;
  for (const auto& leaf : expression_.leaves) {
    const auto* reduction = std::get_if<Reduction>(&leaf);
    if (!reduction) continue;
    for (const auto& counter : reduction->counters) {
      const int64_t extent = counter.end.constant().value_or(kUnknownExtent);
      work = std::min(work * std::clamp<int64_t>(extent, 1, kMost), kMost);
    }
  }
  return work;
}

bool Loops::checks_later() const {
  return std::ranges::any_of(expression_.leaves, [](const auto& leaf) {
    const auto* read = std::get_if<Read>(&leaf);
    return read && std::ranges::count(read->inside, false) > 0;
  });
}

E Loops::get(ExprId id, E active) {
  const auto key = std::pair(id, active.id);
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  const E made = make(expression_.expr(id), active);
  known_.insert_or_assign(key, made);
  return made;
}

E Loops::make(const Expr& expr, E active) {
  switch (expr.kind) {
    case ExprKind::kInteger: return builder_.integer(expr.bits, expr.type.dtype);
    case ExprKind::kFloat: return builder_.number(ir::float_value(expr), expr.type);
    case ExprKind::kParam: return parameters_[static_cast<size_t>(expr.bits)];
    case ExprKind::kLoad: {
      const auto& leaf = expression_.leaves[expr.buffer.index];
      if (const auto* element = std::get_if<Read>(&leaf)) return read(*element, active);
      return reduce(std::get<Reduction>(leaf), active);
    }
    case ExprKind::kSelect: {
      const E condition = builder_.let("condition", get(expr.a, active));
      const E taken = get(expr.b, both(active, condition));
      return builder_.select(condition, taken, get(expr.c, both(active, !condition)));
    }
    case ExprKind::kFma:
      return builder_.fma(get(expr.a, active), get(expr.b, active), get(expr.c, active));
    case ExprKind::kCast: return builder_.cast(get(expr.a, active), expr.type.dtype);
    case ExprKind::kBitcast: return builder_.bitcast(get(expr.a, active), expr.type.dtype);
    default: break;
  }
  if (ir::arity(expr.kind) == 1) return builder_.unary(expr.kind, get(expr.a, active));
  TENON_CHECK(ir::arity(expr.kind) == 2, "an expression of scalars");
  const E a = get(expr.a, active);
  return builder_.binary(expr.kind, a, get(expr.b, active));
}

E Loops::read(const Read& read, E active) {
  const int operand = static_cast<int>(read.operand);
  const ir::TensorType& type = scope_.operand_type(operand);
  std::vector<E> index;
  E inside;
  for (size_t axis = 0; axis < read.index.size(); ++axis) {
    index.push_back(get(read.index[axis].id, active));
    if (read.inside[axis]) continue;
    const E at = index.back(), extent = scope_.dim(type.dims[axis]);
    inside = both(inside, (builder_.integer(0) <= at) & (at < extent));
  }
  if (!inside.builder) return scope_.load(operand, index);
  inside = builder_.let("inside", inside);
  if (unbounded_loops_ > 0) {
    builder_.check(active.builder ? (!active) | inside : inside, kIndexOutOfRange);
  } else {
    const E wrong = builder_.cast(both(active, !inside), DType::kInt32);
    builder_.assign(*outside_, builder_.max(*outside_, wrong));
  }
  return scope_.load(operand, index, {.mask = both(active, inside)});
}

E Loops::reduce(const Reduction& reduction, E active) {
  const ir::R combined = builder_.let_register("combined", get(reduction.first.id, {}));
  combine(reduction, 0, active, combined);
  return combined;
}

void Loops::combine(const Reduction& reduction, size_t counter, E active, const ir::R& combined) {
  if (counter == reduction.counters.size()) {
    return builder_.assign(combined, step(reduction, active, combined));
  }
  const auto& [index, end, is_bounded] = reduction.counters[counter];
  const bool is_last = counter + 1 == reduction.counters.size();
  // Vectors of bools do not combine into one.
  const bool is_vector = is_last && reductions_are_vectors_ && reduction.is_innermost &&
                         reduction.body.type().dtype != DType::kBool;
  const auto outer = known_;
  if (!is_bounded) ++unbounded_loops_;
  builder_.loop(
      "k", get(end.id, active),
      [&](E i) {
        parameter(index) = i;
        combine(reduction, counter + 1, active, combined);
      },
      is_vector ? LoopKind::kVector : LoopKind::kSerial);
  if (!is_bounded) --unbounded_loops_;
  known_ = outer;
}

E Loops::step(const Reduction& reduction, E active, const ir::R& combined) {
  const Expr& body = expression_.expr(reduction.body.id);
  if (reduction.step == ExprKind::kAdd && body.kind == ExprKind::kMul) {
    return multiply_add(builder_, get(body.a, active), get(body.b, active), combined);
  }
  return builder_.binary(reduction.step, combined, get(reduction.body.id, active));
}

}  // namespace

void tensor_expression_loops(ir::LoopScope& scope, const TensorExpression& expression) {
  Loops(scope, expression).run();
}

}  // namespace tenon::ops
