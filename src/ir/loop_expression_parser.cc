#include "ir/loop_expression_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "ir/loop_constant.h"
#include "ir/loop_syntax.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

using enum ExprKind;

constexpr int kMaxDepth = 1000;
constexpr VectorType kIndex = {DType::kInt64, 1};

/// Whether the dtype holds the number, for an unsigned one modulo its range. `above` says that the
/// bits are those of a number above the greatest i64.
bool holds(DType dtype, int64_t bits, bool above) {
  if (above) return dtype == DType::kUInt64;
  int width = 8 * size_of(dtype);
  if (is_unsigned(dtype) && bits < 0) return bits >= INT64_MIN >> (64 - width);
  return integer_constant(bits, {dtype, 1}).bits == bits;
}

template <class T>
std::optional<T> read(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

E ExpressionParser::expression(std::optional<VectorType> expected, int precedence) {
  return settle(infix(precedence), expected);
}

E ExpressionParser::typed(VectorType type, int precedence) {
  Token at = tokens_.peek();
  E e = expression(type, precedence);
  if (e.type() != type) {
    Tokens::fail(at, fmt::format("{} where {} is needed", to_string(e.type()), to_string(type)));
  }
  return e;
}

BufferId ExpressionParser::open_place() {
  Token at = tokens_.expect_name("a buffer");
  auto buffer = scope_.buffer(at.text);
  if (!buffer) Tokens::fail(at, "no such buffer");
  tokens_.expect("[");
  return *buffer;
}

E ExpressionParser::mask() {
  if (!tokens_.take("mask")) return {};
  tokens_.expect("(");
  E e = expression();
  tokens_.expect(")");
  return e;
}

int64_t ExpressionParser::integer() {
  Token at = tokens_.peek();
  bool negative = tokens_.take("-");
  Operand operand = number(negative);
  if (!operand.whole || operand.is_unsigned) Tokens::fail(at, "expected a 64-bit integer");
  return operand.integer;
}

ExpressionParser::Operand ExpressionParser::infix(int precedence) {
  Operand left = prefix();
  while (true) {
    const InfixOperator* infix = find_infix(tokens_.peek().text);
    if (infix == nullptr || infix->precedence < precedence) return left;
    Token at = tokens_.next();
    Operand right = this->infix(infix->precedence + 1);
    if (auto number = arithmetic(infix->kind, left, right)) {
      left = *number;
      continue;
    }
    settle({&left, &right});
    E a = left.value, b = right.value;
    left = done(at, infix->swapped ? builder_.binary(infix->kind, b, a)
                                   : builder_.binary(infix->kind, a, b));
  }
}

/// The sum, difference or product of numbers that have no type yet.
std::optional<ExpressionParser::Operand> ExpressionParser::arithmetic(ExprKind kind,
                                                                      const Operand& a,
                                                                      const Operand& b) {
  for (const Operand& operand : {a, b}) {
    if (operand.value.builder != nullptr || operand.is_bool || operand.is_unsigned) return {};
  }
  Operand made = {.at = a.at, .whole = a.whole && b.whole};
  bool overflows = false;
  switch (kind) {
    case kAdd:
      made.real = a.real + b.real;
      overflows = __builtin_add_overflow(a.integer, b.integer, &made.integer);
      break;
    case kSub:
      made.real = a.real - b.real;
      overflows = __builtin_sub_overflow(a.integer, b.integer, &made.integer);
      break;
    case kMul:
      made.real = a.real * b.real;
      overflows = __builtin_mul_overflow(a.integer, b.integer, &made.integer);
      break;
    default: return {};
  }
  made.whole = made.whole && !overflows;
  return made;
}

ExpressionParser::Operand ExpressionParser::prefix() {
  if (++depth_ > kMaxDepth) Tokens::fail(tokens_.peek(), "the expression is nested too deeply");
  Token at = tokens_.peek();
  Operand operand;
  if (tokens_.take("-")) {
    bool literal = tokens_.peek().kind == TokenKind::kNumber;
    operand = literal ? number(true) : negated(at, prefix());
  } else if (tokens_.take("!")) {
    operand = done(at, builder_.unary(kNot, settle(prefix(), {})));
  } else {
    operand = primary();
  }
  --depth_;
  return operand;
}

ExpressionParser::Operand ExpressionParser::primary() {
  Token at = tokens_.peek();
  if (at.kind == TokenKind::kNumber) return number(false);
  if (at.kind == TokenKind::kName) return name();
  if (!tokens_.take("(")) Tokens::fail(at, "expected an expression");
  Operand operand = infix(0);
  tokens_.expect(")");
  return operand;
}

ExpressionParser::Operand ExpressionParser::name() {
  if (const Token at = tokens_.peek(); auto own = scope_.own_form()) return done(at, *own);
  if (tokens_.peek(1).text == "(") return call();
  Token at = tokens_.next();
  if (at.text == "load") return done(at, load(at));
  if (at.text == "gather") return done(at, gather(at));
  if (at.text == "true" || at.text == "false") {
    return {.at = at, .integer = at.text == "true", .whole = true, .is_bool = true};
  }
  if (at.text == "inf") return {.at = at, .real = std::numeric_limits<double>::infinity()};
  if (at.text == "nan") return {.at = at, .real = std::numeric_limits<double>::quiet_NaN()};

  auto value = scope_.value(at.text);
  if (!value) Tokens::fail(at, "no such name");
  const Expr& e = builder_.function().expr(value->id);
  if (!at.text.starts_with('$') || !is_constant(e)) return {.at = at, .value = *value};
  Operand operand = {.at = at, .real = float_value(e), .integer = e.bits, .whole = true};
  if (e.kind == kFloat) {
    auto whole = fold_cast(e, DType::kInt64);
    operand.whole = whole && float_value(*whole) == operand.real;
    operand.integer = operand.whole ? whole->bits : 0;
  } else {
    operand.is_unsigned = e.type.dtype == DType::kUInt64 && e.bits < 0;
  }
  return operand;
}

ExpressionParser::Operand ExpressionParser::number(bool negative) {
  Token at = tokens_.next();
  std::string text = negative ? fmt::format("-{}", at.text) : std::string(at.text);
  auto real = at.kind == TokenKind::kNumber ? read<double>(text) : std::nullopt;
  if (!real) Tokens::fail(at, "expected a number");
  Operand operand = {.at = at, .real = *real};
  if (auto whole = read<int64_t>(text)) {
    operand.integer = *whole;
    operand.whole = true;
  } else if (auto large = read<uint64_t>(text)) {
    operand.integer = static_cast<int64_t>(*large);
    operand.whole = operand.is_unsigned = true;
  }
  return operand;
}

ExpressionParser::Operand ExpressionParser::negated(const Token& at, Operand operand) {
  if (operand.value.builder != nullptr) return done(at, builder_.unary(kNeg, operand.value));
  if (operand.is_bool || operand.is_unsigned) Tokens::fail(at, "no number to negate");
  operand.real = -operand.real;
  operand.whole = operand.whole && operand.integer != INT64_MIN;
  operand.integer = static_cast<int64_t>(-static_cast<uint64_t>(operand.integer));
  return operand;
}

ExpressionParser::Operand ExpressionParser::call() {
  Token at = tokens_.next();
  tokens_.expect("(");
  Operand result;
  if (auto type = parse_vector_type(at.text)) {
    Operand literal = prefix();
    if (literal.value.builder != nullptr) Tokens::fail(literal.at, "expected a number");
    result = {.at = at, .value = settle(literal, type)};
  } else {
    auto kind = find_expr_kind(at.text);
    if (!kind || arity(*kind) == 0 || *kind == kLoad || *kind == kGather) {
      Tokens::fail(at, "no such function");
    }
    result = done(at, call_arguments(*kind, at));
  }
  tokens_.expect(")");
  return result;
}

E ExpressionParser::call_arguments(ExprKind kind, const Token& at) {
  Operand a = infix(0);
  auto more = [&] {
    tokens_.expect(",");
    return infix(0);
  };
  switch (kind) {
    case kCast: tokens_.expect(","); return builder_.cast(settle(a, {}), dtype());
    case kBitcast: {
      tokens_.expect(",");
      E value = settle(a, {});
      DType to = dtype();
      int bytes = size_of(value.type().dtype) * value.type().lanes;
      if (bytes % size_of(to) != 0 || bytes / size_of(to) > UINT16_MAX) {
        Tokens::fail(at, "the bytes do not make whole lanes");
      }
      return builder_.bitcast(value, to);
    }
    case kBroadcast:
    case kRamp: {
      E value = settle(a, {});
      if (value.type().lanes != 1) Tokens::fail(a.at, "expected a scalar");
      tokens_.expect(",");
      if (kind == kBroadcast) return builder_.broadcast(value, lanes());
      int64_t stride = integer();
      tokens_.expect(",");
      return builder_.ramp(value, stride, lanes());
    }
    case kExtract: {
      E value = settle(a, {});
      tokens_.expect(",");
      Token number = tokens_.peek();
      int64_t lane = integer();
      if (lane < 0 || lane >= value.type().lanes) Tokens::fail(number, "no such lane");
      return builder_.extract(value, static_cast<int>(lane));
    }
    case kShuffle: {
      Operand b = more();
      settle({&a, &b});
      if (a.value.type() != b.value.type()) Tokens::fail(at, "vectors of different lanes");
      tokens_.expect(",");
      tokens_.expect("[");
      std::vector<int> picked;
      do {
        Token number = tokens_.peek();
        int64_t lane = integer();
        if (lane < 0 || lane >= 2 * a.value.type().lanes) Tokens::fail(number, "no such lane");
        picked.push_back(static_cast<int>(lane));
      } while (tokens_.take(","));
      tokens_.expect("]");
      if (picked.size() > UINT16_MAX) Tokens::fail(at, "too many lanes");
      return builder_.shuffle(a.value, b.value, std::move(picked));
    }
    case kSelect: {
      Operand b = more(), c = more();
      settle({&b, &c});
      E condition = settle(a, {});
      int lanes = condition.type().lanes,
          arms = std::max(b.value.type().lanes, c.value.type().lanes);
      if (lanes != arms && lanes != 1 && arms != 1) Tokens::fail(a.at, "other lanes than the arms");
      return builder_.select(condition, b.value, c.value);
    }
    case kFma: {
      Operand b = more(), c = more();
      settle({&a, &b, &c});
      return builder_.fma(a.value, b.value, c.value);
    }
    case kReduceAdd:
    case kReduceMul:
    case kReduceMin:
    case kReduceMax: return builder_.reduce(kind, settle(a, {}));
    default: break;
  }
  if (arity(kind) == 1) return builder_.unary(kind, settle(a, {}));
  Operand b = more();
  settle({&a, &b});
  return builder_.binary(kind, a.value, b.value);
}

E ExpressionParser::load(const Token& at) {
  BufferId buffer = open_place();
  E index = typed(kIndex);
  tokens_.expect("]");
  int count = tokens_.take(":") ? lanes() : 1;
  E lanes_mask = mask();
  if (lanes_mask.builder != nullptr && lanes_mask.type().lanes != count) {
    Tokens::fail(at, "a mask of other lanes");
  }
  return builder_.load(buffer, index, count, lanes_mask);
}

E ExpressionParser::gather(const Token& at) {
  BufferId buffer = open_place();
  E indices = expression();
  tokens_.expect("]");
  E lanes_mask = mask();
  if (lanes_mask.builder != nullptr && lanes_mask.type().lanes != indices.type().lanes) {
    Tokens::fail(at, "a mask of other lanes");
  }
  return builder_.gather(buffer, indices, lanes_mask);
}

int ExpressionParser::lanes() {
  Token at = tokens_.peek();
  int64_t count = integer();
  if (count < 2 || count > UINT16_MAX) Tokens::fail(at, "expected a number of lanes");
  return static_cast<int>(count);
}

DType ExpressionParser::dtype() {
  Token at = tokens_.expect_name("a dtype");
  auto known = parse_dtype(at.text);
  if (!known) known = scope_.dtype(at.text);
  if (!known) Tokens::fail(at, "no such dtype");
  return *known;
}

ExpressionParser::Operand ExpressionParser::done(const Token& at, E value) {
  if (std::string wrong = verify_expression(builder_.function(), value.id); !wrong.empty()) {
    Tokens::fail(at, std::move(wrong));
  }
  return {.at = at, .value = value};
}

E ExpressionParser::settle(const Operand& operand, std::optional<VectorType> type) {
  if (operand.value.builder != nullptr) return operand.value;
  if (!type && operand.is_bool) type = VectorType{DType::kBool, 1};
  if (!type) Tokens::fail(operand.at, "the number's type is not known: write f32(0), say,");
  DType dtype = type->dtype;
  if (operand.is_bool && dtype != DType::kBool) {
    Tokens::fail(operand.at, fmt::format("a bool where {} is needed", to_string(dtype)));
  }
  if (is_float(dtype)) return builder_.literal(operand.real, *type);
  if (!operand.whole || !holds(dtype, operand.integer, operand.is_unsigned)) {
    Tokens::fail(operand.at, fmt::format("a number that {} does not hold", to_string(dtype)));
  }
  return builder_.literal(operand.integer, *type);
}

void ExpressionParser::settle(std::initializer_list<Operand*> operands) {
  std::optional<VectorType> type;
  for (Operand* operand : operands) {
    if (operand->value.builder == nullptr) continue;
    VectorType own = operand->value.type();
    if (type && type->dtype != own.dtype) {
      Tokens::fail(operand->at,
                   fmt::format("{} beside {}", to_string(own.dtype), to_string(type->dtype)));
    }
    if (type && type->lanes != own.lanes && type->lanes != 1 && own.lanes != 1) {
      Tokens::fail(operand->at, fmt::format("{} beside {}", to_string(own), to_string(*type)));
    }
    if (!type || own.lanes > type->lanes) type = own;
  }
  for (Operand* operand : operands) operand->value = settle(*operand, type);
}

}  // namespace tenon::ir
