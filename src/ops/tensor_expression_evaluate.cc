#include "ops/tensor_expression.h"

#include <algorithm>
#include <cstring>

#include "ops/block_evaluate.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::DType;
using ir::Expr;
using ir::ExprId;
using ir::ExprKind;

/// Of each element of a block whether it is asked for: others read nothing.
using Active = std::vector<bool>;

class Lanes {
 public:
  explicit Lanes(DType dtype) : bytes_(kBlockElements * ir::size_of(dtype)) {}
  std::byte* bytes() { return bytes_.data(); }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes_.data());
  }

 private:
  std::vector<std::byte> bytes_;
};

using Computed = std::expected<Lanes, std::string>;

class Evaluation {
 public:
  Evaluation(const TensorExpression& expression, const CustomOperator& custom,
             const EvaluateContext& context);

  Evaluated run(Tensor& result);

 private:
  Computed compute(ExprId id, const Active& active);
  Computed compute_select(const Expr& expr, const Active& active);
  Computed read(const TensorExpression::Read& read, const Active& active);
  Computed reduce(const TensorExpression::Reduction& reduction, const Active& active);
  /// Combines what the counters from `counter` on go through into `combined`, of dtype `wide`.
  Evaluated combine(const TensorExpression::Reduction& reduction, size_t counter, DType wide,
                    const Active& active, Lanes& combined);

  void apply(ExprKind kind, DType operand, DType result, Lanes& a, Lanes& b, Lanes& out) const {
    evaluate_block(kind, operand, result, {a.bytes(), b.bytes(), nullptr, out.bytes(), count_});
  }
  std::vector<int64_t>& parameter(ir::E e) {
    return parameters_[static_cast<size_t>(expression_.expr(e.id).bits)];
  }

  const TensorExpression& expression_;
  const CustomOperator& custom_;
  std::vector<Tensor> operands_;                  // in their compute types
  std::vector<std::vector<int64_t>> parameters_;  // by element of the block
  int64_t count_ = 0;                             // elements of the block
};

Evaluation::Evaluation(const TensorExpression& expression, const CustomOperator& custom,
                       const EvaluateContext& context)
    : expression_(expression),
      custom_(custom),
      parameters_(expression.builder.function().params.size(),
                  std::vector<int64_t>(kBlockElements)) {
  for (const Tensor* operand : context.operands) {
    const DType dtype = ir::compute_type(operand->dtype());
    operands_.push_back(operand->dtype() == dtype ? *operand : operand->cast(dtype));
  }
  for (const TensorExpression::Size& size : expression.sizes) {
    std::ranges::fill(parameter(size.parameter), operands_[size.operand].shape()[size.axis]);
  }
}

Evaluated Evaluation::run(Tensor& result) {
  const std::vector<int64_t>& shape = result.shape();
  const DType dtype = expression_.value.type().dtype;
  const int64_t element = ir::size_of(result.dtype());
  for (int64_t first = 0; first < result.count(); first += kBlockElements) {
    count_ = std::min(kBlockElements, result.count() - first);
    for (int64_t i = 0; i < count_; ++i) {
      int64_t rest = first + i;
      for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis]) {
        parameter(expression_.indices[axis])[i] = rest % shape[axis];
      }
    }
    TENON_TRY(Lanes value, compute(expression_.value.id, Active(count_, true)));
    Lanes stored(result.dtype());
    apply(ExprKind::kCast, dtype, result.dtype(), value, value, stored);
    std::memcpy(result.bytes() + first * element, stored.bytes(), count_ * element);
  }
  return {};
}

Computed Evaluation::compute(ExprId id, const Active& active) {
  const Expr& expr = expression_.expr(id);
  Lanes out(expr.type.dtype);
  switch (expr.kind) {
    case ExprKind::kInteger:
    case ExprKind::kFloat: fill_block(expr, out.bytes()); return out;
    case ExprKind::kParam:
      std::ranges::copy(parameters_[static_cast<size_t>(expr.bits)], out.as<int64_t>());
      return out;
    case ExprKind::kSelect: return compute_select(expr, active);
    case ExprKind::kLoad: {
      const auto& leaf = expression_.leaves[expr.buffer.index];
      if (const auto* element = std::get_if<TensorExpression::Read>(&leaf)) {
        return read(*element, active);
      }
      return reduce(std::get<TensorExpression::Reduction>(leaf), active);
    }
    default: break;
  }
  std::vector<Lanes> operands;
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (!operand) break;
    TENON_TRY(Lanes value, compute(operand, active));
    operands.push_back(std::move(value));
  }
  const size_t arity = operands.size();
  TENON_CHECK(arity > 0, "an expression of scalars");
  evaluate_block(expr.kind, expression_.expr(expr.a).type.dtype, expr.type.dtype,
                 {operands[0].bytes(), arity > 1 ? operands[1].bytes() : nullptr,
                  arity > 2 ? operands[2].bytes() : nullptr, out.bytes(), count_});
  return out;
}

Computed Evaluation::compute_select(const Expr& expr, const Active& active) {
  TENON_TRY(Lanes condition, compute(expr.a, active));
  Active taken = active, other = active;
  for (int64_t i = 0; i < count_; ++i) {
    taken[i] = active[i] && condition.as<bool>()[i];
    other[i] = active[i] && !condition.as<bool>()[i];
  }
  TENON_TRY(Lanes a, compute(expr.b, taken));
  TENON_TRY(Lanes b, compute(expr.c, other));
  Lanes out(expr.type.dtype);
  evaluate_block(ExprKind::kSelect, expr.type.dtype, expr.type.dtype,
                 {condition.bytes(), a.bytes(), b.bytes(), out.bytes(), count_});
  return out;
}

Computed Evaluation::read(const TensorExpression::Read& read, const Active& active) {
  const Tensor& operand = operands_[read.operand];
  std::vector<Lanes> index;
  for (const ir::E& e : read.index) {
    TENON_TRY(Lanes lanes, compute(e.id, active));
    index.push_back(std::move(lanes));
  }
  Lanes out(operand.dtype());
  const int64_t element = ir::size_of(operand.dtype());
  for (int64_t i = 0; i < count_; ++i) {
    if (!active[i]) continue;
    int64_t position = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      const int64_t at = index[axis].as<int64_t>()[i], extent = operand.shape()[axis];
      if (at < 0 || at >= extent) {
        return wrong("index {} of '{}' is out of range for axis {} of {}", at,
                     custom_.operands[read.operand].name, axis, extent);
      }
      position = position * extent + at;
    }
    std::memcpy(out.bytes() + i * element, operand.bytes() + position * element, element);
  }
  return out;
}

Computed Evaluation::reduce(const TensorExpression::Reduction& reduction, const Active& active) {
  const DType dtype = reduction.body.type().dtype;
  const DType wide =
      ir::is_float(dtype) && (reduction.step == ExprKind::kAdd || reduction.step == ExprKind::kMul)
          ? DType::kFloat64
          : dtype;
  Lanes first(dtype), combined(wide), out(dtype);
  fill_block(expression_.expr(reduction.first.id), first.bytes());
  apply(ExprKind::kCast, dtype, wide, first, first, combined);
  TENON_TRY_DO(combine(reduction, 0, wide, active, combined));
  apply(ExprKind::kCast, wide, dtype, combined, combined, out);
  return out;
}

Evaluated Evaluation::combine(const TensorExpression::Reduction& reduction, size_t counter,
                              DType wide, const Active& active, Lanes& combined) {
  if (counter == reduction.counters.size()) {
    TENON_TRY(Lanes body, compute(reduction.body.id, active));
    Lanes element(wide), next(wide), mask(DType::kBool), chosen(wide);
    apply(ExprKind::kCast, reduction.body.type().dtype, wide, body, body, element);
    apply(reduction.step, wide, wide, combined, element, next);
    std::ranges::copy(active, mask.as<bool>());
    evaluate_block(ExprKind::kSelect, wide, wide,
                   {mask.bytes(), next.bytes(), combined.bytes(), chosen.bytes(), count_});
    combined = std::move(chosen);
    return {};
  }
  const auto& [index, end, is_bounded] = reduction.counters[counter];
  TENON_TRY(Lanes ends, compute(end.id, active));
  for (int64_t i = 0;; ++i) {
    Active left = active;
    for (int64_t lane = 0; lane < count_; ++lane) {
      left[lane] = active[lane] && i < ends.as<int64_t>()[lane];
    }
    if (std::ranges::count(left, true) == 0) return {};
    std::ranges::fill(parameter(index), i);
    TENON_TRY_DO(combine(reduction, counter + 1, wide, left, combined));
  }
}

}  // namespace

Evaluated evaluate_tensor_expression(const TensorExpression& expression,
                                     const CustomOperator& custom, EvaluateContext& context) {
  return Evaluation(expression, custom, context).run(*context.results[0]);
}

}  // namespace tenon::ops
