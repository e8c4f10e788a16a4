#include "passes/loop/rewriter.h"

#include "base/result.h"

namespace tenon::passes {

using namespace ir;

Rewriter::Rewriter(const Function& from)
    : from_(from),
      builder_(from.name),
      built_(from.exprs.size()),
      variables_(from.variables.size()) {}

Function Rewriter::run() {
  for (const std::string& name : from_.params) params_.push_back(builder_.param(name));
  for (const Buffer& buffer : from_.buffers) {
    builder_.buffer(buffer.name, buffer.dtype, buffer.kind, get_if(buffer.extent));
  }
  bind(from_.task, builder_.tasks(get(from_.task_count)));
  builder_.rounds(get(from_.round_count));
  statements(from_.body);
  return builder_.finish();
}

E Rewriter::get(ExprId id) {
  Built& built = built_[id.index];
  if (built.round != round_) built = {rebuild(from_.expr(id)), round_};
  return built.value;
}

E Rewriter::variable(VariableId id) const {
  const E value = variables_[id.index];
  TENON_CHECK(value.builder, "a variable that is bound before its use");
  return value;
}

E Rewriter::rebuild(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kInteger:
      return builder_.broadcast(builder_.integer(expr.bits, expr.type.dtype), expr.type.lanes);
    case ExprKind::kFloat: return builder_.number(float_value(expr), expr.type);
    case ExprKind::kParam: return params_[static_cast<size_t>(expr.bits)];
    case ExprKind::kVariable: return variable(VariableId(static_cast<size_t>(expr.bits)));
    case ExprKind::kFma: return builder_.fma(get(expr.a), get(expr.b), get(expr.c));
    case ExprKind::kSelect: return builder_.select(get(expr.a), get(expr.b), get(expr.c));
    case ExprKind::kCast: return builder_.cast(get(expr.a), expr.type.dtype);
    case ExprKind::kBitcast: return builder_.bitcast(get(expr.a), expr.type.dtype);
    case ExprKind::kBroadcast: return builder_.broadcast(get(expr.a), expr.type.lanes);
    case ExprKind::kRamp: return builder_.ramp(get(expr.a), expr.bits, expr.type.lanes);
    case ExprKind::kExtract: return builder_.extract(get(expr.a), static_cast<int>(expr.bits));
    case ExprKind::kShuffle:
      return builder_.shuffle(get(expr.a), get(expr.b),
                              from_.shuffles[static_cast<size_t>(expr.bits)]);
    case ExprKind::kReduceAdd:
    case ExprKind::kReduceMul:
    case ExprKind::kReduceMin:
    case ExprKind::kReduceMax: return builder_.reduce(expr.kind, get(expr.a));
    case ExprKind::kLoad:
      return builder_.load(expr.buffer, get(expr.a), expr.type.lanes, get_if(expr.b));
    case ExprKind::kGather: return builder_.gather(expr.buffer, get(expr.a), get_if(expr.b));
    default: break;
  }
  if (arity(expr.kind) == 1) return builder_.unary(expr.kind, get(expr.a));
  TENON_CHECK(arity(expr.kind) == 2, "a kind that the rewriter knows");
  return builder_.binary(expr.kind, get(expr.a), get(expr.b));
}

void Rewriter::statement(StatementId id) {
  const Statement& s = from_.statement(id);
  switch (s.kind) {
    case StatementKind::kLet: {
      const Variable& variable = from_.variable(s.variable);
      if (variable.is_register) {
        bind_register(s.variable, builder_.let_register(variable.name, get(s.value)));
      } else {
        bind(s.variable, builder_.let(variable.name, get(s.value)));
      }
      return;
    }
    case StatementKind::kAssign: builder_.assign(target(s.variable), get(s.value)); return;
    case StatementKind::kStore:
      builder_.store(s.buffer, get(s.index), get(s.value), get_if(s.mask));
      return;
    case StatementKind::kFor: copy_loop(s, get(s.index), get(s.value), s.number, s.loop); return;
    case StatementKind::kIf: {
      auto otherwise = [&] { statements(s.other); };
      builder_.if_then(
          get(s.value), [&] { statements(s.body); },
          s.other ? std::function<void()>(otherwise) : std::function<void()>());
      return;
    }
    case StatementKind::kPrefetch: builder_.prefetch(s.buffer, get(s.index), s.number != 0); return;
    case StatementKind::kCheck: builder_.check(get(s.value), static_cast<int>(s.number)); return;
  }
}

void Rewriter::copy_loop(const Statement& loop, E begin, E end, int64_t step, LoopKind kind) {
  auto body = [&](E counter) {
    bind(loop.variable, counter);
    statements(loop.body);
  };
  builder_.loop(from_.variable(loop.variable).name, begin, end, step, body, kind);
}

void Rewriter::bind(VariableId variable, E value) {
  E& place = variables_[variable.index];
  if (place.builder) ++round_;
  place = value;
}

void Rewriter::bind_register(VariableId variable, R value) {
  bind(variable, value.value);
  registers_.insert_or_assign(variable, value);
}

void Rewriter::statements(BlockId block) {
  for (StatementId s : from_.block(block).statements) statement(s);
}

}  // namespace tenon::passes
