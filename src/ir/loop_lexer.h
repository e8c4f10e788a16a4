// Tokens of the loop language's text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ir {

enum class TokenKind : uint8_t { kName, kNumber, kPunctuation, kEnd };

struct Token {
  TokenKind kind;
  std::string_view text;  ///< of the source; names keep a leading '$'
  int line, column;       ///< from 1
};

/// What is wrong with a text, and where. Thrown inside of parsers only: their entry points return
/// it as an error.
struct SyntaxError {
  std::string message;
  int line, column;
};

/// The tokens of a text, read one after the other. `//` starts a comment that ends with its line.
class Tokens {
 public:
  /// Throws SyntaxError at a character that starts no token.
  explicit Tokens(std::string_view text);

  /// The token `ahead` of the next one; the end stays the end.
  const Token& peek(size_t ahead = 0) const;
  Token next();
  /// Takes the next token if it is this name or punctuation.
  bool take(std::string_view text);
  void expect(std::string_view text);
  Token expect_name(std::string_view what);

  /// How far ahead the brace is that closes the next token, an opening one; the end if there is
  /// none.
  size_t matching_brace() const;

  [[noreturn]] static void fail(const Token& at, std::string message);

 private:
  std::vector<Token> tokens_;
  size_t position_ = 0;
};

}  // namespace tenon::ir
