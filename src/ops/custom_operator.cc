#include "ops/custom_operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ir/text_cursor.h"
#include "ops/tensor_expression.h"

namespace tenon::ops {
namespace {

Result<double> parse_number(ir::TextCursor& cursor) {
  if (cursor.accept("true")) return 1;
  if (cursor.accept("false")) return 0;
  TENON_TRY(const std::string_view text, cursor.number_text());
  double number = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number).ptr != end) {
    return cursor.error(fmt::format("'{}' is no number", text));
  }
  return number;
}

/// The text of "f32[n, c]".
Result<std::string> parse_type(ir::TextCursor& cursor) {
  TENON_TRY(const std::string_view dtype, cursor.word());
  TENON_TRY_DO(cursor.expect("["));
  const std::string_view dims = cursor.rest().substr(0, cursor.rest().find(']'));
  if (!dims.empty()) TENON_TRY_DO(cursor.expect(dims));
  TENON_TRY_DO(cursor.expect("]"));
  return fmt::format("{}[{}]", dtype, dims);
}

Result<void> parse_operands(ir::TextCursor& cursor, CustomOperator& made) {
  do {
    TENON_TRY(const std::string_view name, cursor.word());
    made.operands.push_back({std::string(name), {}});
    if (!cursor.accept(":")) continue;
    TENON_TRY(made.operands.back().type, parse_type(cursor));
  } while (cursor.accept(","));
  return {};
}

size_t position(const ir::TextCursor& cursor, const CustomOperator& made) {
  return made.definition.size() - cursor.rest().size();
}

/// The text up to a comma that no bracket is around.
std::string_view before_comma(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '[') ++depth;
    if (text[i] == ')' || text[i] == ']') --depth;
    if (text[i] == ',' && depth <= 0) return text.substr(0, i);
  }
  return text;
}

/// The expression of the last output.
Result<void> parse_expression(ir::TextCursor& cursor, CustomOperator& made) {
  const std::string_view text = before_comma(cursor.rest());
  if (text.empty()) return cursor.error("expected an expression");
  made.outputs.back().at = position(cursor, made);
  made.outputs.back().expression = text;
  return cursor.expect(text);
}

/// ` = sin(x), cos(x)`
Result<void> parse_formulas(ir::TextCursor& cursor, CustomOperator& made) {
  TENON_TRY_DO(cursor.expect("="));
  do {
    made.outputs.emplace_back().begin = position(cursor, made);
    TENON_TRY_DO(parse_expression(cursor, made));
  } while (cursor.accept(","));
  return {};
}

Result<void> parse_output_type(ir::TextCursor& cursor, CustomOperator& made) {
  made.outputs.emplace_back().begin = position(cursor, made);
  TENON_TRY(made.outputs.back().type, parse_type(cursor));
  return {};
}

/// `[i] = sum(k < c) x[i, k], f32[c][j] = x[0, j]`
Result<void> parse_tensor_expressions(ir::TextCursor& cursor, CustomOperator& made) {
  made.op = ir::Op::kTensorExpression;
  while (true) {
    std::vector<std::string>& indices = made.outputs.back().indices;
    TENON_TRY_DO(cursor.expect("["));
    while (!cursor.accept("]")) {
      if (!indices.empty()) TENON_TRY_DO(cursor.expect(","));
      TENON_TRY(indices.emplace_back(), cursor.word());
    }
    TENON_TRY_DO(cursor.expect("="));
    TENON_TRY_DO(parse_expression(cursor, made));
    if (!cursor.accept(",")) return {};
    TENON_TRY_DO(parse_output_type(cursor, made));
  }
}

/// ` = pool in "libmine.so"`
Result<void> parse_function(ir::TextCursor& cursor, CustomOperator& made) {
  made.op = ir::Op::kCFunction;
  TENON_TRY_DO(cursor.expect("="));
  TENON_TRY(made.symbol, cursor.word());
  TENON_TRY_DO(cursor.expect("in"));
  TENON_TRY(made.library, cursor.quoted_text());
  if (!cursor.at_end()) return cursor.error("expected the end of the definition");
  return {};
}

/// What comes behind `->`.
Result<void> parse_typed(ir::TextCursor& cursor, CustomOperator& made) {
  for (const CustomOperator::Operand& operand : made.operands) {
    if (operand.type.empty()) {
      return cursor.error(fmt::format("operand '{}' has no type", operand.name));
    }
  }
  const bool is_list = cursor.accept("(");
  do {
    TENON_TRY_DO(parse_output_type(cursor, made));
  } while (is_list && cursor.accept(","));
  if (is_list) TENON_TRY_DO(cursor.expect(")"));
  return !is_list && cursor.sees("[") ? parse_tensor_expressions(cursor, made)
                                      : parse_function(cursor, made);
}

Result<void> parse_attributes(ir::TextCursor& cursor, CustomOperator& made) {
  do {
    TENON_TRY(const std::string_view name, cursor.word());
    made.attributes.push_back({std::string(name), {}});
    if (!cursor.accept("=")) continue;
    TENON_TRY(made.attributes.back().otherwise, parse_number(cursor));
  } while (cursor.accept(","));
  return {};
}

/// A definition per line with a "::", which no other text of one has; without comments.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> definitions;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find("//"));
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    if (definitions.empty() || line.find("::") != std::string_view::npos) {
      definitions.emplace_back(line);
    } else {
      definitions.back().append(" ").append(line);
    }
  }
  return definitions;
}

std::unexpected<Error> wrong_operator(std::string_view name, std::string_view message) {
  return fail(
      ErrorKind::kUsage, fmt::format("operator '{}': {}", name, message), {},
      "write it like: mine::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))), or\n"
      "mine::pool(x: f32[n, c]; size) -> f32[n, floor_div(c, $size)] = pool in \"libmine.so\", or\n"
      "mine::dot(a: f32[n, k], b: f32[k, m]) -> f32[n, m][i, j] = sum(l < k) a[i, l] * b[l, j]");
}

}  // namespace

std::string CustomOperator::with_only(const Output& output) const {
  const std::string_view text = definition;
  const size_t end = output.at + output.expression.size();
  return fmt::format("{}{}", text.substr(0, outputs.front().begin),
                     text.substr(output.begin, end - output.begin));
}

Result<CustomOperator> parse_definition(std::string_view definition) {
  ir::TextCursor cursor(definition);
  CustomOperator made;
  made.definition = definition;
  TENON_TRY_DO(cursor.expect("("));
  TENON_TRY_DO(parse_operands(cursor, made));
  if (cursor.accept(";")) TENON_TRY_DO(parse_attributes(cursor, made));
  TENON_TRY_DO(cursor.expect(")"));
  if (cursor.accept("->")) {
    TENON_TRY_DO(parse_typed(cursor, made));
  } else {
    TENON_TRY_DO(parse_formulas(cursor, made));
  }
  return made;
}

Result<std::vector<CustomOperator>> parse_custom_operators(std::string_view text) {
  std::vector<CustomOperator> all;
  for (const std::string& line : split(text)) {
    const size_t end = std::min(line.find('('), line.size());
    std::string name = line.substr(0, line.find_last_not_of(' ', end - 1) + 1);
    const size_t colons = name.find("::");
    if (colons == std::string::npos || !ir::is_word(name.substr(0, colons)) ||
        !ir::is_word(name.substr(colons + 2))) {
      return wrong_operator(name, "this is no name of a domain and an operator");
    }
    if (std::ranges::count(all, name, &CustomOperator::name) > 0) {
      return wrong_operator(name, "it is defined twice");
    }
    Result<CustomOperator> made = parse_definition(std::string_view(line).substr(end));
    if (!made) return wrong_operator(name, made.error().diagnostics.front().message);
    if (made->op == ir::Op::kTensorExpression) {
      if (const auto fine = check_tensor_expression(*made); !fine) {
        return wrong_operator(name, fine.error());
      }
    }
    made->name = std::move(name);
    all.push_back(*std::move(made));
  }
  return all;
}

}  // namespace tenon::ops
