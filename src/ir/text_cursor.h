// A place in a text that is being parsed: steps over tokens and names lines and columns. White
// space and comments (from `//` to the end of the line) separate tokens and are skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::ir {

class TextCursor {
 public:
  /// Reads `text`, which must outlive the cursor.
  explicit TextCursor(std::string_view text) : text_(text) { skip_space(); }

  bool at_end() const { return position_ == text_.size(); }
  std::string_view rest() const { return text_.substr(position_); }

  /// Whether the text goes on with this punctuation or with this whole word.
  bool sees(std::string_view token) const;
  /// Steps over `token` if the text goes on with it.
  bool accept(std::string_view token);
  Result<void> expect(std::string_view token);

  bool sees_quote() const { return sees("\""); }
  bool sees_word() const;
  /// A letter or '_', then letters, digits, '_' and '.'.
  Result<std::string_view> word();
  /// Text in double quotes as `quoted` writes it.
  Result<std::string> quoted_text();
  /// Digits, with a sign or not.
  Result<int64_t> integer();
  /// Letters, digits, '.', '+' and '-' as far as they go: a number of any form.
  Result<std::string_view> number_text();

  /// A kBadModel error at the current place.
  std::unexpected<Error> error(std::string_view message) const;

 private:
  void skip_space();
  void step(size_t count);

  std::string_view text_;
  size_t position_ = 0;
};

/// Whether `text` is what TextCursor::word reads.
bool is_word(std::string_view text);

/// `text` in double quotes; quotes, backslashes and control characters are escaped.
std::string quoted(std::string_view text);

}  // namespace tenon::ir
