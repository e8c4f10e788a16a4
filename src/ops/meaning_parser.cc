#include "ops/meaning_parser.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <limits>

namespace tenon::ops {
namespace {

using ir::ExprKind;

struct Infix {
  std::string_view symbol;
  int precedence;
  ExprKind kind;
  bool swapped = false;  // a > b is b < a
};

// Longer symbols before their prefixes.
constexpr Infix kInfix[] = {
    {"<<", 6, ExprKind::kShl},      {">>", 6, ExprKind::kShr},     {"<=", 5, ExprKind::kLe},
    {">=", 5, ExprKind::kLe, true}, {"==", 4, ExprKind::kEq},      {"!=", 4, ExprKind::kNe},
    {"<", 5, ExprKind::kLt},        {">", 5, ExprKind::kLt, true}, {"|", 1, ExprKind::kOr},
    {"^", 2, ExprKind::kXor},       {"&", 3, ExprKind::kAnd},      {"+", 7, ExprKind::kAdd},
    {"-", 7, ExprKind::kSub},       {"*", 8, ExprKind::kMul},      {"/", 8, ExprKind::kDiv},
    {"%", 8, ExprKind::kRem},
};
constexpr int kUnaryPrecedence = 9;

template <class Named>
size_t index_of(const std::vector<Named>& list, std::string_view name) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return i;
  }
  internal_error(fmt::format("no operand or attribute '{}'", name), __FILE__, __LINE__);
}

}  // namespace

void MeaningParser::parse() {
  expression(0);
  skip_space();
  TENON_CHECK(rest_.empty(), fmt::format("{}: text after the meaning: {}", info_.name, rest_));
}

size_t MeaningParser::expression(int lowest_precedence) {
  size_t left = primary();
  while (true) {
    const Infix* found = nullptr;
    skip_space();
    for (const Infix& infix : kInfix) {
      if (rest_.starts_with(infix.symbol)) {
        found = &infix;
        break;
      }
    }
    if (found == nullptr || found->precedence < lowest_precedence) return left;
    rest_.remove_prefix(found->symbol.size());
    size_t right = expression(found->precedence + 1);
    std::vector<size_t> arguments = {left, right};
    if (found->swapped) arguments = {right, left};
    left = add({.kind = Meaning::TermKind::kCall, .call = found->kind, .arguments = arguments});
  }
}

size_t MeaningParser::primary() {
  if (accept("(")) {
    size_t inner = expression(0);
    expect(")");
    return inner;
  }
  if (accept("-")) {
    size_t argument = expression(kUnaryPrecedence);
    return add({.kind = Meaning::TermKind::kCall, .call = ExprKind::kNeg, .arguments = {argument}});
  }
  if (accept("!")) {
    size_t argument = expression(kUnaryPrecedence);
    return add({.kind = Meaning::TermKind::kCall, .call = ExprKind::kNot, .arguments = {argument}});
  }
  if (accept("$")) {
    return add(
        {.kind = Meaning::TermKind::kAttribute, .index = index_of(info_.attributes, word())});
  }
  TENON_CHECK(!rest_.empty(), fmt::format("{}: the meaning ends early", info_.name));
  if (std::isdigit(static_cast<unsigned char>(rest_.front())) != 0) {
    double number = 0;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    TENON_CHECK(error == std::errc{}, fmt::format("{}: number at {}", info_.name, rest_));
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return add({.kind = Meaning::TermKind::kNumber, .number = number});
  }
  std::string_view name = word();
  if (accept("(")) return call(name);
  if (name == "inf") {
    return add(
        {.kind = Meaning::TermKind::kNumber, .number = std::numeric_limits<double>::infinity()});
  }
  return add({.kind = Meaning::TermKind::kOperand, .index = index_of(info_.operands, name)});
}

size_t MeaningParser::call(std::string_view name) {
  std::optional<ExprKind> kind = ir::find_expr_kind(name);
  TENON_CHECK(kind.has_value(), fmt::format("{}: unknown function {}", info_.name, name));
  std::vector<size_t> arguments;
  do {
    arguments.push_back(expression(0));
  } while (accept(","));
  expect(")");
  return add({.kind = Meaning::TermKind::kCall, .call = *kind, .arguments = std::move(arguments)});
}

size_t MeaningParser::add(Meaning::Term term) {
  terms_.push_back(std::move(term));
  return terms_.size() - 1;
}

bool MeaningParser::accept(std::string_view symbol) {
  skip_space();
  if (!rest_.starts_with(symbol)) return false;
  rest_.remove_prefix(symbol.size());
  return true;
}

void MeaningParser::expect(std::string_view symbol) {
  TENON_CHECK(accept(symbol), fmt::format("{}: '{}' before: {}", info_.name, symbol, rest_));
}

std::string_view MeaningParser::word() {
  size_t length = 0;
  while (length < rest_.size() &&
         (std::isalnum(static_cast<unsigned char>(rest_[length])) != 0 || rest_[length] == '_')) {
    ++length;
  }
  TENON_CHECK(length > 0, fmt::format("{}: a name at: {}", info_.name, rest_));
  std::string_view found = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return found;
}

void MeaningParser::skip_space() {
  while (rest_.starts_with(' ')) rest_.remove_prefix(1);
}

}  // namespace tenon::ops
