// Reads the text of a meaning (meaning.h has the grammar) by precedence climbing.
#pragma once

#include <string_view>

#include "ops/meaning.h"

namespace tenon::ops {

class MeaningParser {
 public:
  MeaningParser(const ir::OpInfo& info, std::vector<Meaning::Term>& terms)
      : info_(info), terms_(terms), rest_(info.meaning) {}

  /// Appends the terms of the whole text. A malformed row is an internal error.
  void parse();

 private:
  size_t expression(int lowest_precedence);
  size_t primary();
  size_t call(std::string_view name);
  size_t add(Meaning::Term term);

  bool accept(std::string_view symbol);
  void expect(std::string_view symbol);
  std::string_view word();
  void skip_space();

  const ir::OpInfo& info_;
  std::vector<Meaning::Term>& terms_;
  std::string_view rest_;
};

}  // namespace tenon::ops
