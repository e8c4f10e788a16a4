#include "passes/rules/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ir/text_cursor.h"

namespace tenon::passes {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), cursor_(text) {}

  Pattern whole() {
    Pattern pattern = term();
    check(cursor_.at_end(), "nothing after the term");
    return pattern;
  }

 private:
  void check(bool holds, std::string_view what) const {
    TENON_CHECK(holds, fmt::format("rule text '{}': {}", text_, what));
  }
  std::string word() {
    const auto word = cursor_.word();
    check(word.has_value(), "a name");
    return std::string(*word);
  }

  Pattern term() {
    if (cursor_.accept("(")) return either();
    Pattern pattern;
    if (cursor_.accept("$")) {
      pattern.kind = Pattern::Kind::kVariable;
      pattern.name = word();
    } else if (cursor_.accept("_")) {
      pattern.kind = Pattern::Kind::kAbsent;
    } else if (cursor_.sees_word() && !cursor_.sees("inf")) {
      pattern = named();
    } else {
      pattern.kind = Pattern::Kind::kNumber;
      pattern.number = number();
    }
    return pattern;
  }

  Pattern either() {
    Pattern pattern{.kind = Pattern::Kind::kEither};
    do {
      pattern.parts.push_back(term());
    } while (cursor_.accept("|"));
    check(cursor_.accept(")"), "')' after alternatives");
    return pattern;
  }

  Pattern named() {
    Pattern pattern{.kind = Pattern::Kind::kValue, .name = word()};
    if (cursor_.accept("(")) {
      return node(pattern.name);
    }
    if (cursor_.accept(":")) {
      const std::string op = word();
      check(cursor_.accept("("), "'(' after an operator");
      Pattern inner = node(op);
      inner.name = pattern.name;
      return inner;
    }
    pattern.optional = cursor_.accept("?");
    return pattern;
  }

  Pattern node(const std::string& op_text) {
    const std::optional<ir::Op> op = ir::find_op(op_text);
    check(op.has_value(), fmt::format("'{}' is an operator", op_text));
    const ir::OpInfo& row = ir::info(*op);
    Pattern pattern{.kind = Pattern::Kind::kNode, .op = *op};
    while (!cursor_.accept(")")) {
      check(pattern.parts.empty() || cursor_.accept(","), "',' between operands");
      pattern.parts.push_back(term());
    }
    for (size_t i = pattern.parts.size(); i < row.operands.size(); ++i) {
      check(row.operands[i].optional, fmt::format("operand '{}'", row.operands[i].name));
      pattern.parts.emplace_back();
    }
    if (cursor_.accept("{")) {
      while (!cursor_.accept("}")) {
        check(pattern.attributes.empty() || cursor_.accept(","), "',' between attributes");
        pattern.attributes.push_back(attribute(row));
      }
    }
    return pattern;
  }

  Pattern::Attribute attribute(const ir::OpInfo& row) {
    Pattern::Attribute attribute{.name = word()};
    const auto found =
        std::ranges::find(row.attributes, attribute.name, &ir::OpInfo::Attribute::name);
    check(found != row.attributes.end(), fmt::format("an attribute '{}'", attribute.name));
    check(cursor_.accept("="), "'=' after an attribute");
    if (cursor_.accept("$")) {
      attribute.variable = word();
    } else if (found->kind == "str") {
      const auto text = cursor_.quoted_text();
      check(text.has_value(), "a text in quotes");
      attribute.literal = *text;
    } else if (found->kind == "bool") {
      attribute.literal = cursor_.accept("true");
      check(std::get<bool>(attribute.literal) || cursor_.accept("false"), "true or false");
    } else if (found->kind == "int") {
      attribute.literal = static_cast<int64_t>(number());
    } else {
      check(found->kind == "float", "a literal of a kind that patterns know");
      attribute.literal = number();
    }
    return attribute;
  }

  double number() {
    const auto text = cursor_.number_text();
    check(text.has_value(), "a number");
    double value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    check(error == std::errc() && end == text->data() + text->size(), "a number");
    return value;
  }

  std::string_view text_;
  ir::TextCursor cursor_;
};

}  // namespace

Pattern parse_pattern(std::string_view text) { return Parser(text).whole(); }

}  // namespace tenon::passes
