#include "ir/loop_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tenon::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '.'; }

size_t name_length(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && continues_name(text[length])) ++length;
  return length;
}

size_t number_length(std::string_view text) {
  size_t i = 0;
  auto digits = [&] {
    while (i < text.size() && is_digit(text[i])) ++i;
  };
  digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    digits();
  }
  if (i < text.size() && text[i] == 'e') {
    size_t mantissa = i++;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    size_t exponent = i;
    digits();
    if (i == exponent) i = mantissa;
  }
  return i;
}

size_t punctuation_length(std::string_view text) {
  constexpr std::array<std::string_view, 6> kPairs = {"<=", ">=", "==", "!=", "<<", ">>"};
  if (std::ranges::find(kPairs, text.substr(0, 2)) != kPairs.end()) return 2;
  return std::string_view("+-*/%&|^<>=!()[]{},:;").contains(text[0]) ? 1 : 0;
}

}  // namespace

Tokens::Tokens(std::string_view text) {
  int line = 1;
  size_t line_start = 0;
  for (size_t i = 0; i < text.size();) {
    std::string_view rest = text.substr(i);
    if (rest[0] == '\n') {
      ++line;
      line_start = ++i;
      continue;
    }
    if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r') {
      ++i;
      continue;
    }
    if (rest.starts_with("//")) {
      i += std::min(rest.find('\n'), rest.size());
      continue;
    }
    Token token{TokenKind::kPunctuation, {}, line, static_cast<int>(i - line_start) + 1};
    size_t length = 0;
    if (starts_name(rest[0])) {
      token.kind = TokenKind::kName;
      length = name_length(rest);
    } else if (is_digit(rest[0])) {
      token.kind = TokenKind::kNumber;
      length = number_length(rest);
    } else {
      length = punctuation_length(rest);
      if (length == 0) fail(token, fmt::format("unexpected character '{}'", rest[0]));
    }
    token.text = rest.substr(0, length);
    tokens_.push_back(token);
    i += length;
  }
  tokens_.push_back({TokenKind::kEnd, "", line, static_cast<int>(text.size() - line_start) + 1});
}

const Token& Tokens::peek(size_t ahead) const {
  return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
}

Token Tokens::next() {
  Token token = peek();
  if (token.kind != TokenKind::kEnd) ++position_;
  return token;
}

bool Tokens::take(std::string_view text) {
  if (peek().text != text) return false;
  next();
  return true;
}

void Tokens::expect(std::string_view text) {
  if (!take(text)) fail(peek(), fmt::format("expected '{}'", text));
}

Token Tokens::expect_name(std::string_view what) {
  if (peek().kind != TokenKind::kName) fail(peek(), fmt::format("expected {}", what));
  return next();
}

size_t Tokens::matching_brace() const {
  size_t ahead = 0;
  for (int open = 0; peek(ahead).kind != TokenKind::kEnd; ++ahead) {
    if (peek(ahead).text == "{") ++open;
    if (peek(ahead).text == "}" && --open <= 0) break;
  }
  return ahead;
}

void Tokens::fail(const Token& at, std::string message) {
  if (at.kind != TokenKind::kEnd && !at.text.empty()) {
    message += fmt::format(" at '{}'", at.text);
  } else if (at.kind == TokenKind::kEnd) {
    message += " at the end";
  }
  throw SyntaxError{std::move(message), at.line, at.column};
}

}  // namespace tenon::ir
