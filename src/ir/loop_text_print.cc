#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/result.h"
#include "ir/loop.h"
#include "ir/loop_syntax.h"

namespace tenon::ir {
namespace {

std::string identifier(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.') c = '_';
  }
  if (out.empty() || !(std::isalpha(static_cast<unsigned char>(out[0])) || out[0] == '_')) {
    out = fmt::format("_{}", out);
  }
  return out;
}

/// A name made of `name` that is not in `taken`, which it joins.
std::string unique(std::string_view name, std::vector<std::string>& taken) {
  std::string base = identifier(name);
  auto used = [&](const std::string& text) {
    return is_reserved(text) || std::ranges::find(taken, text) != taken.end();
  };
  std::string out = base;
  for (int i = 1; used(out); ++i) out = fmt::format("{}_{}", base, i);
  return taken.emplace_back(std::move(out));
}

std::string float_text(const Expr& e) {
  double value = float_value(e);
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string out = e.type.dtype == DType::kFloat64 ? fmt::format("{}", value)
                                                    : fmt::format("{}", static_cast<float>(value));
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

/// Expressions of this many operators and leaves get a name where a statement holds them twice:
/// text of a function then stays as small as the function.
constexpr int kNamedSize = 4;

class Printer {
 public:
  explicit Printer(const Function& function)
      : function_(function), variables_(function.variables.size()) {}

  std::string print() {
    for (const std::string& param : function_.params) params_.push_back(unique(param, scope_));
    std::vector<std::string> taken;
    for (const Buffer& buffer : function_.buffers) buffers_.push_back(unique(buffer.name, taken));
    out_ = fmt::format("func {}({}; {}) tasks {}", identifier(function_.name),
                       fmt::join(params_, ", "), buffer_list(), index(function_.task_count));
    if (const std::string rounds = index(function_.round_count); rounds != "1") {
      out_ += fmt::format(" rounds {}", rounds);
    }
    out_ += fmt::format(" as {} {{\n", declare(function_.task));
    block(function_.body, 1);
    return out_ + "}\n";
  }

 private:
  std::string buffer_list() {
    std::vector<std::string> list;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const Buffer& buffer = function_.buffers[i];
      std::string extent = buffer.extent ? fmt::format("[{}]", index(buffer.extent)) : "";
      list.push_back(fmt::format("{} {}: {}{}", kind_text(buffer.kind), buffers_[i],
                                 to_string(buffer.dtype), extent));
    }
    return fmt::format("{}", fmt::join(list, ", "));
  }

  static std::string_view kind_text(BufferKind kind) {
    switch (kind) {
      case BufferKind::kInput: return "in";
      case BufferKind::kOutput: return "out";
      case BufferKind::kInOut: return "inout";
      case BufferKind::kScratch: return "scratch";
    }
    std::unreachable();
  }

  std::string declare(VariableId id) {
    return variables_[id.index] = unique(function_.variable(id).name, scope_);
  }

  void block(BlockId id, int depth) {
    size_t outer = scope_.size(), outer_named = named_.size();
    for (StatementId statement : function_.block(id).statements) {
      const Statement& s = function_.statement(statement);
      name_shared({s.index, s.value, s.mask}, depth);
      this->statement(s, depth);
    }
    scope_.resize(outer);
    for (; named_.size() > outer_named; named_.pop_back()) names_.erase(named_.back());
  }

  /// Names what the expressions of a statement share.
  void name_shared(std::initializer_list<ExprId> roots, int depth) {
    std::unordered_map<ExprId, int> uses;
    std::vector<ExprId> order;  // operands first
    auto visit = [&](auto& self, ExprId id) -> void {
      if (!id || names_.contains(id) || ++uses[id] > 1) return;
      const Expr& e = function_.expr(id);
      for (ExprId operand : {e.a, e.b, e.c}) self(self, operand);
      order.push_back(id);
    };
    for (ExprId root : roots) visit(visit, root);

    std::unordered_map<ExprId, int> sizes;
    for (ExprId id : order) {
      const Expr& e = function_.expr(id);
      int size = 1;
      for (ExprId operand : {e.a, e.b, e.c}) {
        if (operand) size += names_.contains(operand) ? 1 : sizes[operand];
      }
      sizes[id] = size;
      if (uses[id] < 2 || size < kNamedSize) continue;
      std::string text = expression(id);
      names_[id] = unique(fmt::format("e{}", ++named_count_), scope_);
      named_.push_back(id);
      out_ += fmt::format("{:{}}expr {} = {}\n", "", 2 * depth, names_[id], text);
    }
  }

  void nested(BlockId id, int depth) {
    out_ += " {\n";
    block(id, depth + 1);
    out_ += std::string(2 * depth, ' ') + "}";
  }

  void statement(const Statement& s, int depth) {
    out_ += std::string(2 * depth, ' ');
    switch (s.kind) {
      case StatementKind::kLet: {
        const Variable& variable = function_.variable(s.variable);
        std::string value = expression(s.value, variable.type);
        out_ += fmt::format("{} {}: {} = {}", variable.is_register ? "reg" : "let",
                            declare(s.variable), to_string(variable.type), value);
        break;
      }
      case StatementKind::kAssign:
        out_ += fmt::format("{} = {}", variables_[s.variable.index],
                            expression(s.value, function_.variable(s.variable).type));
        break;
      case StatementKind::kStore:
        out_ += fmt::format("store {}{} = {}", place(s.buffer, s.index), mask(s.mask),
                            expression(s.value, VectorType{function_.buffer(s.buffer).dtype, 1}));
        break;
      case StatementKind::kFor: {
        std::string begin = index(s.index), end = index(s.value);
        size_t outer = scope_.size();
        out_ += fmt::format("{}for {} = {} to {}", s.loop == LoopKind::kVector ? "vector " : "",
                            declare(s.variable), begin, end);
        if (s.number != 1) out_ += fmt::format(" step {}", s.number);
        nested(s.body, depth);
        scope_.resize(outer);
        break;
      }
      case StatementKind::kIf:
        out_ += fmt::format("if {}", expression(s.value, kCondition));
        nested(s.body, depth);
        if (s.other) {
          out_ += " else";
          nested(s.other, depth);
        }
        break;
      case StatementKind::kPrefetch:
        out_ +=
            fmt::format("prefetch {}{}", s.number != 0 ? "write " : "", place(s.buffer, s.index));
        break;
      case StatementKind::kCheck:
        out_ += fmt::format("check {} code {}", expression(s.value, kCondition), s.number);
        break;
    }
    out_ += '\n';
  }

  std::string place(BufferId buffer, ExprId at) {
    return fmt::format("{}[{}]", buffers_[buffer.index], index(at));
  }

  std::string mask(ExprId mask) { return mask ? fmt::format(" mask({})", expression(mask)) : ""; }

  std::string index(ExprId id) { return expression(id, kIndex); }

  /// A constant prints bare where its type is `expected`; nothing else depends on it. An operator
  /// weaker than `precedence` is put in parentheses.
  std::string expression(ExprId id, std::optional<VectorType> expected = {}, int precedence = 0) {
    if (auto named = names_.find(id); named != names_.end()) return named->second;
    const Expr& e = function_.expr(id);
    if (is_constant(e)) return constant(e, expected == e.type);
    if (e.kind == ExprKind::kParam) return params_[static_cast<size_t>(e.bits)];
    if (e.kind == ExprKind::kVariable) return variables_[static_cast<size_t>(e.bits)];
    if (e.kind == ExprKind::kLoad) {
      std::string lanes = e.type.lanes == 1 ? "" : fmt::format(":{}", e.type.lanes);
      return fmt::format("load {}{}{}", place(e.buffer, e.a), lanes, mask(e.b));
    }
    if (e.kind == ExprKind::kGather) {
      return fmt::format("gather {}[{}]{}", buffers_[e.buffer.index], expression(e.a), mask(e.b));
    }
    if (const InfixOperator* infix = find_infix(e.kind)) {
      auto type = operand_type({e.a, e.b});
      std::string text = fmt::format("{} {} {}", expression(e.a, type, infix->precedence),
                                     infix->text, expression(e.b, type, infix->precedence + 1));
      return infix->precedence < precedence ? fmt::format("({})", text) : text;
    }
    bool negates = e.kind == ExprKind::kNeg && !is_constant(function_.expr(e.a));
    if (negates || e.kind == ExprKind::kNot) {
      return fmt::format("{}{}", negates ? "-" : "!", expression(e.a, {}, kUnaryPrecedence));
    }
    return call(e);
  }

  std::string call(const Expr& e) {
    std::string arguments;
    switch (e.kind) {
      case ExprKind::kCast:
      case ExprKind::kBitcast:
        arguments = fmt::format("{}, {}", expression(e.a), to_string(e.type.dtype));
        break;
      case ExprKind::kBroadcast:
        arguments = fmt::format("{}, {}", expression(e.a), e.type.lanes);
        break;
      case ExprKind::kRamp:
        arguments = fmt::format("{}, {}, {}", expression(e.a), e.bits, e.type.lanes);
        break;
      case ExprKind::kExtract: arguments = fmt::format("{}, {}", expression(e.a), e.bits); break;
      case ExprKind::kShuffle: {
        auto type = operand_type({e.a, e.b});
        arguments = fmt::format("{}, {}, [{}]", expression(e.a, type), expression(e.b, type),
                                fmt::join(function_.shuffles[static_cast<size_t>(e.bits)], ", "));
        break;
      }
      case ExprKind::kSelect: {
        auto type = operand_type({e.b, e.c});
        arguments = fmt::format("{}, {}, {}", expression(e.a), expression(e.b, type),
                                expression(e.c, type));
        break;
      }
      case ExprKind::kReduceAdd:
      case ExprKind::kReduceMul:
      case ExprKind::kReduceMin:
      case ExprKind::kReduceMax: arguments = expression(e.a); break;
      default: {
        auto type = operand_type({e.a, e.b, e.c});
        arguments = expression(e.a, type);
        for (ExprId operand : {e.b, e.c}) {
          if (operand) arguments += ", " + expression(operand, type);
        }
      }
    }
    return fmt::format("{}({})", to_string(e.kind), arguments);
  }

  /// The type that constants among operands of one type take: that of the others, if there are any.
  std::optional<VectorType> operand_type(std::initializer_list<ExprId> operands) {
    for (ExprId operand : operands) {
      if (operand && !is_constant(function_.expr(operand))) return function_.expr(operand).type;
    }
    return std::nullopt;
  }

  static std::string constant(const Expr& e, bool bare) {
    std::string text;
    if (e.kind == ExprKind::kFloat) {
      text = float_text(e);
    } else if (e.type.dtype == DType::kBool) {
      text = e.bits != 0 ? "true" : "false";
    } else if (e.type.dtype == DType::kUInt64) {
      text = fmt::format("{}", static_cast<uint64_t>(e.bits));
    } else {
      text = fmt::format("{}", e.bits);
    }
    return bare ? text : fmt::format("{}({})", to_string(e.type), text);
  }

  static constexpr VectorType kIndex = {DType::kInt64, 1};
  static constexpr VectorType kCondition = {DType::kBool, 1};

  const Function& function_;
  std::string out_;
  std::vector<std::string> params_, buffers_;
  std::vector<std::string> variables_;  // by id; those in scope are in scope_ too
  std::vector<std::string> scope_;
  std::unordered_map<ExprId, std::string> names_;  // of expressions, in scope
  std::vector<ExprId> named_;                      // those, innermost last
  int named_count_ = 0;
};

}  // namespace

std::string to_string(const Function& function) { return Printer(function).print(); }

}  // namespace tenon::ir
