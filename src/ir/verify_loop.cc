#include <fmt/format.h>

#include <algorithm>

#include "ir/loop_constant.h"
#include "ir/verify.h"

/// Types are made into text only where it is read: most of what is verified is right.
template <>
struct fmt::formatter<tenon::ir::VectorType> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(tenon::ir::VectorType type, Context& context) const {
    return fmt::formatter<std::string_view>::format(tenon::ir::to_string(type), context);
  }
};

namespace tenon::ir {
namespace {

using enum ExprKind;

constexpr VectorType kIndex = {DType::kInt64, 1};
constexpr VectorType kCondition = {DType::kBool, 1};

/// Leaves with the first thing that is wrong.
struct Wrong {
  std::string what;
};

template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw Wrong{fmt::format(format, std::forward<Args>(args)...)};
}

bool computes(DType dtype) { return dtype != DType::kBool && compute_type(dtype) == dtype; }
bool is_real(DType dtype) { return is_float(dtype) && computes(dtype); }
bool is_bits(DType dtype) { return !is_float(dtype); }

/// Types and operands of one expression, whose operands have been verified.
class ExprVerifier {
 public:
  ExprVerifier(const Function& function, size_t index)
      : function_(function), index_(index), e_(function.exprs[index]) {}

  void verify() {
    require(e_.type.lanes >= 1, "expression {} has no lanes", index_);
    verify_operands();
    switch (e_.kind) {
      case kInteger:
        check(!is_float(e_.type.dtype), "is an integer of a float type");
        check(integer_constant(e_.bits, e_.type) == e_, "is out of its dtype's range");
        return;
      case kFloat:
        check(is_float(e_.type.dtype), "is a float of an integer type");
        check(float_constant(float_value(e_), e_.type) == e_, "is not a value of its dtype");
        return;
      case kParam:
        check(in_range(e_.bits, function_.params.size()), "names no parameter");
        return check(e_.type == kIndex, "is a parameter, so i64");
      case kVariable:
        check(in_range(e_.bits, function_.variables.size()), "names no variable");
        return check(function_.variables[static_cast<size_t>(e_.bits)].type == e_.type,
                     "has another type than its variable");
      case kNot: return same_type(is_bits(dtype()), "a bool or integer");
      case kNeg:
      case kAbs: return same_type(computes(dtype()), "a number");
      case kSqrt:
      case kFloor:
      case kCeil:
      case kRound:
      case kTrunc: return same_type(is_real(dtype()), "a float that has arithmetic");
      case kAnd:
      case kOr:
      case kXor: return same_type(is_bits(dtype()), "a bool or integer");
      case kShl:
      case kShr: return same_type(is_integer(dtype()), "an integer");
      case kFma: return same_type(is_real(dtype()), "a float that has arithmetic");
      case kSelect:
        check(a().type == e_.type.with(DType::kBool), "needs a bool condition of its lanes");
        return check(b().type == e_.type && c().type == e_.type, "has arms of another type");
      case kCast: return check(a().type.lanes == e_.type.lanes, "changes the lanes");
      case kBitcast:
        check(dtype() != DType::kBool && e_.type.dtype != DType::kBool, "is a bitcast of bools");
        return check(bytes(a().type) == bytes(e_.type), "is a bitcast that changes the size");
      case kBroadcast:
        return check(a().type == VectorType{e_.type.dtype, 1} && e_.type.lanes > 1,
                     "repeats a scalar of its dtype");
      case kRamp:
        check(is_integer(e_.type.dtype), "is a ramp of integers");
        return check(a().type == VectorType{e_.type.dtype, 1} && e_.type.lanes > 1,
                     "starts at a scalar of its dtype");
      case kExtract:
        check(e_.type == VectorType{dtype(), 1} && a().type.lanes > 1,
              "takes a scalar from a vector of its dtype");
        return check(in_range(e_.bits, a().type.lanes), "takes a lane that the vector lacks");
      case kShuffle: return verify_shuffle();
      case kReduceAdd:
      case kReduceMul:
      case kReduceMin:
      case kReduceMax:
        return check(e_.type == VectorType{dtype(), 1} && a().type.lanes > 1 && computes(dtype()),
                     "makes a number of a vector of its dtype");
      case kLoad:
        check(a().type == kIndex, "has an index that is not an i64 scalar");
        return verify_access();
      case kGather:
        check(a().type.dtype == DType::kInt64 || a().type.dtype == DType::kInt32,
              "has indices that are not i64 or i32");
        check(a().type.lanes == e_.type.lanes, "has other lanes than its indices");
        return verify_access();
      default: break;
    }
    if (is_compare(e_.kind)) {
      check(a().type == b().type, "compares different types");
      check(computes(dtype()) || dtype() == DType::kBool, "compares storage floats");
      check(e_.type == a().type.with(DType::kBool), "is bool with the operands' lanes");
    } else {
      same_type(is_math(e_.kind) ? is_real(dtype()) : computes(dtype()), "a dtype with arithmetic");
    }
  }

 private:
  const Expr& a() const { return function_.expr(e_.a); }
  const Expr& b() const { return function_.expr(e_.b); }
  const Expr& c() const { return function_.expr(e_.c); }
  DType dtype() const { return a().type.dtype; }
  static int bytes(VectorType type) { return size_of(type.dtype) * type.lanes; }
  static bool in_range(int64_t index, size_t size) {
    return index >= 0 && static_cast<size_t>(index) < size;
  }

  void check(bool condition, std::string_view what) const {
    require(condition, "expression {} ({}: {}) {}", index_, to_string(e_.kind), e_.type, what);
  }

  void verify_operands() const {
    const ExprId operands[] = {e_.a, e_.b, e_.c};
    bool access = e_.kind == kLoad || e_.kind == kGather;
    for (int i = 0; i < 3; ++i) {
      if (i < arity(e_.kind)) {
        check(static_cast<bool>(operands[i]), "lacks an operand");
      } else if (!(access && i == 1)) {
        check(!operands[i], "has an operand too many");
      }
      check(!operands[i] || operands[i].index < index_, "has an operand that comes after it");
    }
    check(static_cast<bool>(e_.buffer) == access, "names a buffer wrongly");
  }

  void same_type(bool allowed, std::string_view needs) const {
    for (ExprId operand : {e_.a, e_.b, e_.c}) {
      check(!operand || function_.expr(operand).type == e_.type, "has an operand of another type");
    }
    require(allowed, "expression {} ({}: {}) needs {}", index_, to_string(e_.kind), e_.type, needs);
  }

  void verify_shuffle() const {
    check(a().type == b().type && dtype() == e_.type.dtype, "mixes types");
    check(in_range(e_.bits, function_.shuffles.size()), "names no lane list");
    const auto& lanes = function_.shuffles[static_cast<size_t>(e_.bits)];
    check(lanes.size() == e_.type.lanes, "has a list of another length than its lanes");
    for (int lane : lanes)
      check(in_range(lane, size_t{2} * a().type.lanes), "takes a lane too high");
  }

  void verify_access() const {
    check(e_.buffer.index < function_.buffers.size(), "names no buffer");
    check(function_.buffer(e_.buffer).dtype == e_.type.dtype, "has another dtype than its buffer");
    check(!e_.b || b().type == e_.type.with(DType::kBool), "has a mask that is not bool lanes");
  }

  const Function& function_;
  size_t index_;
  const Expr& e_;
};

class Verifier {
 public:
  explicit Verifier(const Function& function)
      : function_(function),
        in_scope_(function.variables.size()),
        declared_(function.variables.size()),
        used_statements_(function.statements.size()),
        used_blocks_(function.blocks.size()),
        visited_(function.exprs.size()) {}

  void verify() {
    for (size_t i = 0; i < function_.exprs.size(); ++i) ExprVerifier(function_, i).verify();
    verify_signature();
    declare(function_.task);
    require(function_.variable(function_.task).type == kIndex, "the task is an i64 scalar");
    require(!function_.variable(function_.task).is_register, "the task is not a register");
    verify_block(function_.body);
    for (size_t i = 0; i < used_statements_.size(); ++i) {
      require(used_statements_[i], "statement {} is in no block", i);
    }
  }

 private:
  void verify_signature() {
    bool scratch_seen = false;
    for (const Buffer& buffer : function_.buffers) {
      bool scratch = buffer.kind == BufferKind::kScratch;
      require(scratch || !scratch_seen, "argument {} comes after scratch", buffer.name);
      scratch_seen = scratch;
      require(!scratch || buffer.extent, "scratch {} has no extent", buffer.name);
      if (buffer.extent) over_parameters(buffer.extent, "a buffer's extent");
    }
    over_parameters(function_.task_count, "the task count");
    over_parameters(function_.round_count, "the number of rounds");
  }

  void over_parameters(ExprId id, std::string_view what) {
    use(id, kIndex, what);
    for (size_t i = 0; i < visited_.size(); ++i) {
      bool memory = function_.exprs[i].kind == kLoad || function_.exprs[i].kind == kGather;
      require(visited_[i] != stamp_ || !memory, "{} reads memory", what);
    }
  }

  void declare(VariableId id) {
    require(id.index < declared_.size(), "a declaration names no variable");
    require(!declared_[id.index], "variable {} is declared twice", id.index);
    declared_[id.index] = true;
    in_scope_[id.index] = true;
    scope_.push_back(id);
  }

  void leave(size_t outer) {
    for (; scope_.size() > outer; scope_.pop_back()) in_scope_[scope_.back().index] = false;
  }

  void verify_block(BlockId id) {
    require(id.index < used_blocks_.size(), "a statement names no block");
    require(!used_blocks_[id.index], "block {} is used twice", id.index);
    used_blocks_[id.index] = true;
    size_t outer = scope_.size();
    for (StatementId statement : function_.block(id).statements) {
      require(statement.index < used_statements_.size(), "block {} names no statement", id.index);
      require(!used_statements_[statement.index], "statement {} is used twice", statement.index);
      used_statements_[statement.index] = true;
      current_ = statement.index;
      verify_statement(function_.statement(statement));
    }
    leave(outer);
  }

  void verify_statement(const Statement& s) {
    switch (s.kind) {
      case StatementKind::kLet:
        require(s.variable.index < declared_.size(), "statement {} names no variable", current_);
        use(s.value, function_.variable(s.variable).type, "the value");
        return declare(s.variable);
      case StatementKind::kAssign:
        require(s.variable.index < declared_.size() && in_scope_[s.variable.index] &&
                    function_.variable(s.variable).is_register,
                "statement {} assigns to what is no register in scope", current_);
        return use(s.value, function_.variable(s.variable).type, "the value");
      case StatementKind::kStore: return verify_store(s);
      case StatementKind::kFor: {
        use(s.index, kIndex, "the loop's begin");
        use(s.value, kIndex, "the loop's end");
        require(s.number > 0, "statement {} has a step that is not positive", current_);
        size_t outer = scope_.size();
        declare(s.variable);
        const Variable& variable = function_.variable(s.variable);
        require(variable.type == kIndex && !variable.is_register,
                "variable {} counts a loop, so it is an i64 scalar and no register",
                s.variable.index);
        verify_block(s.body);
        return leave(outer);
      }
      case StatementKind::kIf:
        use(s.value, kCondition, "the condition");
        verify_block(s.body);
        if (s.other) verify_block(s.other);
        return;
      case StatementKind::kPrefetch:
        require(s.buffer.index < function_.buffers.size(), "statement {} names no buffer",
                current_);
        return use(s.index, kIndex, "the index");
      case StatementKind::kCheck:
        require(s.number != 0 && s.number == static_cast<int32_t>(s.number),
                "statement {} has a code that is no 32-bit status", current_);
        return use(s.value, kCondition, "the condition");
    }
  }

  void verify_store(const Statement& s) {
    require(s.buffer.index < function_.buffers.size(), "statement {} names no buffer", current_);
    const Buffer& buffer = function_.buffer(s.buffer);
    require(buffer.kind != BufferKind::kInput, "statement {} stores to input {}", current_,
            buffer.name);
    use(s.index, kIndex, "the index");
    require(s.value.index < visited_.size(), "statement {} stores nothing", current_);
    VectorType type = function_.expr(s.value).type;
    require(type.dtype == buffer.dtype, "statement {} stores {} to a buffer of {}", current_, type,
            to_string(buffer.dtype));
    use(s.value, type, "the value");
    if (s.mask) use(s.mask, type.with(DType::kBool), "the mask");
  }

  /// The expression has this type and reads only variables in scope.
  void use(ExprId id, VectorType type, std::string_view what) {
    require(id.index < visited_.size(), "statement {}: {} is no expression", current_, what);
    require(function_.expr(id).type == type, "statement {}: {} is {}, not {}", current_, what,
            function_.expr(id).type, type);
    ++stamp_;
    visit(id);
  }

  void visit(ExprId id) {
    if (!id || visited_[id.index] == stamp_) return;
    visited_[id.index] = stamp_;
    const Expr& e = function_.expr(id);
    require(e.kind != kVariable || in_scope_[static_cast<size_t>(e.bits)],
            "statement {} reads variable {} out of its scope", current_, e.bits);
    for (ExprId operand : {e.a, e.b, e.c}) visit(operand);
  }

  const Function& function_;
  std::vector<bool> in_scope_, declared_, used_statements_, used_blocks_;
  std::vector<VariableId> scope_;
  std::vector<uint32_t> visited_;  // by expression: the use that saw it last
  uint32_t stamp_ = 0;
  size_t current_ = 0;  // the statement at work, for messages
};

}  // namespace

std::string verify(const Function& function) {
  try {
    Verifier(function).verify();
  } catch (const Wrong& wrong) {
    return wrong.what;
  }
  return "";
}

std::string verify_expression(const Function& function, ExprId expr) {
  try {
    ExprVerifier(function, expr.index).verify();
  } catch (const Wrong& wrong) {
    return wrong.what;
  }
  return "";
}

}  // namespace tenon::ir
