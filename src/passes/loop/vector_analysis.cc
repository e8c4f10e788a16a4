#include "passes/loop/vector_analysis.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

VectorAnalysis::VectorAnalysis(const Function& function, const Statement& loop)
    : function_(function), counter_(loop.variable) {
  variables_[counter_] = Form::kLinear;
  collect_variables(loop.body);
  while (settle_forms(loop.body)) {
  }
  for (const Reduction& reduction : reductions_) {
    count_lanes_by(function.variable(reduction.variable).type.dtype);
  }
  examine(loop.body);
}

bool VectorAnalysis::is_reduction(VariableId id) const {
  return std::ranges::any_of(reductions_, [&](const Reduction& r) { return r.variable == id; });
}

Form VectorAnalysis::form(VariableId id) const {
  auto found = variables_.find(id);
  return found == variables_.end() ? Form::kUniform : found->second;
}

Form VectorAnalysis::form(ExprId id) const {
  if (auto found = forms_.find(id); found != forms_.end()) return found->second;
  const Expr& expr = function_.expr(id);
  Form result = Form::kUniform;
  if (expr.kind == ExprKind::kVariable) {
    result = form(VariableId(static_cast<size_t>(expr.bits)));
  } else {
    Form a = expr.a ? form(expr.a) : Form::kUniform;
    Form b = expr.b ? form(expr.b) : Form::kUniform;
    Form c = expr.c ? form(expr.c) : Form::kUniform;
    bool is_sum = expr.kind == ExprKind::kAdd || expr.kind == ExprKind::kSub;
    bool is_product = expr.kind == ExprKind::kMul && std::min(a, b) == Form::kUniform;
    bool keeps_linear = is_sum || is_product || expr.kind == ExprKind::kNeg;
    result = std::max({a, b, c});
    if (result == Form::kLinear && !keeps_linear) result = Form::kVarying;
  }
  forms_[id] = result;
  return result;
}

// Registers from outside that the loop assigns are reductions, or else the loop stays scalar.
void VectorAnalysis::collect_variables(BlockId block) {
  for (StatementId id : function_.block(block).statements) {
    const Statement& s = function_.statement(id);
    if (s.kind == StatementKind::kLet) {
      variables_[s.variable] = Form::kUniform;
      if (function_.variable(s.variable).is_register) {
        inner_registers_.insert(s.variable);
      } else {
        definitions_[s.variable] = s.value;
      }
    }
    if (s.kind == StatementKind::kAssign && !inner_registers_.contains(s.variable)) {
      variables_[s.variable] = Form::kVarying;
      std::optional<ExprKind> op = reduction_op(s);
      auto known = std::ranges::find(reductions_, s.variable, &Reduction::variable);
      if (!op || (known != reductions_.end() && known->op != *op)) {
        can_widen_ = false;
      } else if (known == reductions_.end()) {
        reductions_.push_back({s.variable, *op});
      }
    }
    if (s.body) collect_variables(s.body);
    if (s.other) collect_variables(s.other);
  }
}

// One round of the search for the least forms that agree with every let and assign; whether any
// rose.
bool VectorAnalysis::settle_forms(BlockId block) {
  bool rose = false;
  for (StatementId id : function_.block(block).statements) {
    const Statement& s = function_.statement(id);
    if (s.kind == StatementKind::kLet || s.kind == StatementKind::kAssign) {
      Form value = form(s.value);
      bool is_register = function_.variable(s.variable).is_register;
      if (is_register && value == Form::kLinear) value = Form::kVarying;
      if (set(s.variable, value)) rose = true;
    }
    if (s.body && settle_forms(s.body)) rose = true;
    if (s.other && settle_forms(s.other)) rose = true;
  }
  return rose;
}

bool VectorAnalysis::set(VariableId id, Form form) {
  Form& known = variables_[id];
  bool rises = known < form;
  if (rises) {
    known = form;
    forms_.clear();
  }
  return rises;
}

std::optional<ExprKind> VectorAnalysis::reduction_op(const Statement& assign) const {
  const Expr& value = function_.expr(assign.value);
  auto is_register = [&](ExprId id) {
    const Expr& e = function_.expr(id);
    return e.kind == ExprKind::kVariable && e.bits == assign.variable.index;
  };
  switch (value.kind) {
    case ExprKind::kAdd:
    case ExprKind::kMul:
    case ExprKind::kMin:
    case ExprKind::kMax:
      if (is_register(value.a) || is_register(value.b)) return value.kind;
      return std::nullopt;
    case ExprKind::kSub: return is_register(value.a) ? std::optional(ExprKind::kAdd) : std::nullopt;
    case ExprKind::kFma: return is_register(value.c) ? std::optional(ExprKind::kAdd) : std::nullopt;
    default: return std::nullopt;
  }
}

bool VectorAnalysis::reads_reduction(ExprId id) const {
  if (!id || reductions_.empty()) return false;
  if (auto found = reads_reduction_.find(id); found != reads_reduction_.end()) return found->second;
  const Expr& expr = function_.expr(id);
  bool reads = expr.kind == ExprKind::kVariable
                   ? is_reduction(VariableId(static_cast<size_t>(expr.bits)))
                   : reads_reduction(expr.a) || reads_reduction(expr.b) || reads_reduction(expr.c);
  return reads_reduction_[id] = reads;
}

void VectorAnalysis::examine(BlockId block) {
  for (StatementId id : function_.block(block).statements) examine(function_.statement(id));
}

void VectorAnalysis::examine(const Statement& s) {
  for (ExprId id : {s.index, s.value, s.mask}) {
    if (id) examine_value(id);
  }
  auto require = [&](bool condition) { can_widen_ = can_widen_ && condition; };
  switch (s.kind) {
    case StatementKind::kLet: require(!reads_reduction(s.value)); return;
    case StatementKind::kAssign: {
      if (!is_reduction(s.variable)) return require(!reads_reduction(s.value));
      const Expr& value = function_.expr(s.value);
      int operands_that_read = 0;
      for (ExprId operand : {value.a, value.b, value.c}) {
        operands_that_read += reads_reduction(operand);
      }
      return require(operands_that_read == 1);
    }
    case StatementKind::kStore:
      require(!reads_reduction(s.value) && !reads_reduction(s.index) && !reads_reduction(s.mask) &&
              form(s.index) != Form::kUniform);
      return examine_access(s.buffer, form(s.index));
    case StatementKind::kFor:
      has_inner_loop_ = true;
      require(form(s.index) == Form::kUniform && form(s.value) == Form::kUniform &&
              s.loop == LoopKind::kSerial);
      return examine(s.body);
    case StatementKind::kIf:
      require(form(s.value) == Form::kUniform);
      examine(s.body);
      if (s.other) examine(s.other);
      return;
    case StatementKind::kPrefetch: return require(form(s.index) != Form::kVarying);
    case StatementKind::kCheck: return require(form(s.value) == Form::kUniform);
  }
}

void VectorAnalysis::examine_value(ExprId id) {
  if (!seen_.insert(id).second) return;
  const Expr& expr = function_.expr(id);
  can_widen_ = can_widen_ && expr.type.lanes == 1;
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (operand) examine_value(operand);
  }
  if (form(id) != Form::kVarying) return;
  ++size_;
  if (is_float(expr.type.dtype)) {
    count_lanes_by(expr.type.dtype);
    has_math_ = has_math_ || is_math(expr.kind) || expr.kind == ExprKind::kPow ||
                expr.kind == ExprKind::kRem || expr.kind == ExprKind::kFloorMod;
  }
  if (expr.kind == ExprKind::kLoad || expr.kind == ExprKind::kGather) {
    examine_access(expr.buffer, form(expr.a));
  }
}

void VectorAnalysis::examine_access(BufferId buffer, Form index) {
  if (index == Form::kUniform) return;
  DType dtype = function_.buffer(buffer).dtype;
  is_maskable_ = is_maskable_ && size_of(dtype) >= 4;
  count_lanes_by(dtype);
}

void VectorAnalysis::count_lanes_by(DType dtype) {
  dtype = compute_type(dtype);
  bool is_better = !lane_type_ || (is_float(dtype) && !is_float(*lane_type_));
  if (lane_type_ && is_float(dtype) == is_float(*lane_type_)) {
    int size = size_of(dtype), known = size_of(*lane_type_);
    is_better = is_float(dtype) ? size < known : size > known;
  }
  if (is_better) lane_type_ = dtype;
}

}  // namespace tenon::passes
