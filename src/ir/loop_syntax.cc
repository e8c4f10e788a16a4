#include "ir/loop_syntax.h"

#include <algorithm>
#include <charconv>

namespace tenon::ir {

const InfixOperator* find_infix(std::string_view text) {
  const auto* found = std::ranges::find(kInfixOperators, text, &InfixOperator::text);
  return found == kInfixOperators.end() ? nullptr : found;
}

const InfixOperator* find_infix(ExprKind kind) {
  const auto* found = std::ranges::find(kInfixOperators, kind, &InfixOperator::kind);
  return found == kInfixOperators.end() ? nullptr : found;
}

bool is_reserved(std::string_view text) {
  constexpr std::array kWords = {"load", "gather", "mask",  "true",     "false", "inf", "nan",
                                 "let",  "expr",   "reg",   "for",      "step",  "to",  "if",
                                 "else", "vector", "store", "prefetch", "check", "code"};
  return std::ranges::find(kWords, text) != kWords.end() || parse_vector_type(text);
}

std::optional<VectorType> parse_vector_type(std::string_view text) {
  size_t x = text.find('x');
  auto dtype = parse_dtype(text.substr(0, x));
  if (!dtype) return std::nullopt;
  if (x == std::string_view::npos) return VectorType{*dtype, 1};
  std::string_view digits = text.substr(x + 1);
  uint16_t lanes = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), lanes);
  if (error != std::errc() || end != digits.data() + digits.size() || lanes < 2) {
    return std::nullopt;
  }
  return VectorType{*dtype, lanes};
}

}  // namespace tenon::ir
