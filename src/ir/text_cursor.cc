#include "ir/text_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tenon::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word_part(char c) { return is_word_start(c) || is_digit(c) || c == '.'; }
bool is_number_part(char c) { return is_word_part(c) || c == '+' || c == '-'; }
bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

template <class Predicate>
std::string_view prefix(std::string_view text, Predicate predicate) {
  return text.substr(0, std::ranges::find_if_not(text, predicate) - text.begin());
}

}  // namespace

bool is_word(std::string_view text) {
  return !text.empty() && is_word_start(text[0]) && std::ranges::all_of(text, is_word_part);
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

void TextCursor::skip_space() {
  while (true) {
    position_ += prefix(text_.substr(position_), is_space).size();
    if (!text_.substr(position_).starts_with("//")) return;
    position_ += prefix(text_.substr(position_), [](char c) { return c != '\n'; }).size();
  }
}

void TextCursor::step(size_t count) {
  position_ += count;
  skip_space();
}

bool TextCursor::sees(std::string_view token) const {
  const std::string_view rest = text_.substr(position_);
  if (!rest.starts_with(token)) return false;
  return !is_word(token) || rest.size() == token.size() || !is_word_part(rest[token.size()]);
}

bool TextCursor::sees_word() const { return !at_end() && is_word_start(text_[position_]); }

bool TextCursor::accept(std::string_view token) {
  if (!sees(token)) return false;
  step(token.size());
  return true;
}

Result<void> TextCursor::expect(std::string_view token) {
  if (!accept(token)) return error(fmt::format("expected '{}'", token));
  return {};
}

Result<std::string_view> TextCursor::word() {
  const std::string_view found = prefix(text_.substr(position_), is_word_part);
  if (!is_word(found)) return error("expected a name");
  step(found.size());
  return found;
}

Result<std::string> TextCursor::quoted_text() {
  if (!sees_quote()) return error("expected a text in double quotes");
  std::string out;
  for (size_t i = position_ + 1; i < text_.size(); ++i) {
    if (text_[i] == '"') {
      step(i + 1 - position_);
      return out;
    }
    if (text_[i] != '\\') {
      out += text_[i];
      continue;
    }
    const std::string_view escape = text_.substr(i + 1, 3);
    uint8_t code = 0;
    if (escape.starts_with('"') || escape.starts_with('\\')) {
      out += escape[0];
      i += 1;
    } else if (escape.size() == 3 && escape[0] == 'x' &&
               std::from_chars(escape.data() + 1, escape.data() + 3, code, 16).ptr ==
                   escape.data() + 3) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      return error("unknown escape in a text; known are \\\", \\\\ and \\x with two digits");
    }
  }
  return error("a text without its closing quote");
}

Result<int64_t> TextCursor::integer() {
  const std::string_view digits = prefix(text_.substr(position_), is_number_part);
  int64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || end == digits.data()) return error("expected a 64-bit integer");
  step(end - digits.data());
  return value;
}

Result<std::string_view> TextCursor::number_text() {
  const std::string_view found = prefix(text_.substr(position_), is_number_part);
  if (found.empty()) return error("expected a number");
  step(found.size());
  return found;
}

std::unexpected<Error> TextCursor::error(std::string_view message) const {
  const std::string_view before = text_.substr(0, position_);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is the start of the text
  return fail(ErrorKind::kBadModel,
              fmt::format("line {}, column {}: {}", line, before.size() - line_start + 1, message));
}

}  // namespace tenon::ir
