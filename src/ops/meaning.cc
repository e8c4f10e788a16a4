#include "ops/meaning.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ir/loop_text.h"
#include "ops/custom_operator.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::DType;

/// The attribute as a constant of any dtype: the expression gives it that of what it meets.
ir::E attribute_constant(ir::LoopBuilder& builder, const ir::Attrs& attrs,
                         const ir::OpInfo::Attribute& attribute) {
  if (attribute.kind == "bool") return builder.integer(attrs.flag(attribute.name), DType::kBool);
  if (attribute.kind == "int") return builder.integer(attrs.integer(attribute.name));
  return builder.number(attrs.number(attribute.name), {DType::kFloat64});
}

Result<ir::E> parse_row(const ir::OpInfo& row, ir::LoopBuilder& builder,
                        std::span<const ir::E> operands, const ir::Attrs& attrs) {
  const auto attribute = [&](std::string_view name) -> const ir::OpInfo::Attribute* {
    if (!name.starts_with('$')) return nullptr;
    const auto found =
        std::ranges::find(row.attributes, name.substr(1), &ir::OpInfo::Attribute::name);
    return found == row.attributes.end() ? nullptr : &*found;
  };
  ir::ExpressionNames names;
  names.value = [&](std::string_view name) -> std::optional<ir::E> {
    if (const auto* known = attribute(name)) return attribute_constant(builder, attrs, *known);
    const auto found = std::ranges::find(row.operands, name, &ir::OpInfo::Operand::name);
    if (found == row.operands.end()) return std::nullopt;
    return operands[static_cast<size_t>(found - row.operands.begin())];
  };
  names.dtype = [&](std::string_view name) -> std::optional<DType> {
    const auto* known = attribute(name);
    return known ? std::optional(ir::compute_type(attrs.dtype(known->name))) : std::nullopt;
  };
  return ir::parse_expression(row.meaning, builder, names);
}

Result<ir::E> parse_formula(ir::LoopBuilder& builder, std::span<const ir::E> operands,
                            const ir::Attrs& attrs) {
  TENON_TRY(const CustomOperator formula, parse_definition(attrs.text("definition")));
  const std::vector<double>& numbers = attrs.numbers("numbers");
  if (formula.operands.size() != operands.size() || formula.attributes.size() != numbers.size()) {
    return fail(ErrorKind::kBadShape,
                fmt::format("it takes {} operands and {} attributes, not {} and {}",
                            formula.operands.size(), formula.attributes.size(), operands.size(),
                            numbers.size()));
  }
  if (formula.outputs.size() != 1) {
    return fail(ErrorKind::kBadShape,
                fmt::format("it gives {} results, not 1", formula.outputs.size()));
  }
  ir::ExpressionNames names;
  names.value = [&](std::string_view name) -> std::optional<ir::E> {
    const auto operand = std::ranges::find(formula.operands, name, &CustomOperator::Operand::name);
    if (operand != formula.operands.end()) return operands[operand - formula.operands.begin()];
    if (!name.starts_with('$')) return std::nullopt;
    const auto attribute =
        std::ranges::find(formula.attributes, name.substr(1), &CustomOperator::Attribute::name);
    if (attribute == formula.attributes.end()) return std::nullopt;
    return builder.number(numbers[attribute - formula.attributes.begin()], {DType::kFloat64});
  };
  names.dtype = [](std::string_view) { return std::optional<DType>(); };
  return ir::parse_expression(formula.outputs.front().expression, builder, names);
}

Result<ir::E> parse(ir::Op op, ir::LoopBuilder& builder, std::span<const ir::E> operands,
                    const ir::Attrs& attrs) {
  if (op == ir::Op::kFormula) return parse_formula(builder, operands, attrs);
  return parse_row(ir::info(op), builder, operands, attrs);
}

std::string_view meaning_text(ir::Op op, const ir::Attrs& attrs) {
  return op == ir::Op::kFormula ? attrs.text("definition") : ir::info(op).meaning;
}

/// The dtype that all operands but bools have; bool where there are no others.
std::expected<DType, std::string> common_dtype(std::span<const DType> operands) {
  DType common = DType::kBool;
  for (const DType dtype : operands) {
    if (dtype == DType::kBool) continue;
    if (common != DType::kBool && common != dtype) {
      return wrong("operands have different dtypes, {} and {}", to_string(common),
                   to_string(dtype));
    }
    common = dtype;
  }
  return common;
}

}  // namespace

ir::E build_meaning(ir::Op op, ir::LoopBuilder& builder, std::span<const ir::E> operands,
                    const ir::Attrs& attrs) {
  Result<ir::E> value = parse(op, builder, operands, attrs);
  TENON_CHECK(value.has_value(),
              fmt::format("{}: {}", meaning_text(op, attrs), value.error().text()));
  return *value;
}

std::expected<DType, std::string> result_dtype(ir::Op op, std::span<const DType> operands,
                                               const ir::Attrs& attrs) {
  TENON_TRY(const DType common, common_dtype(operands));
  ir::LoopBuilder builder("meaning");
  std::vector<ir::E> elements;
  for (const DType dtype : operands) {
    const ir::BufferId buffer =
        builder.buffer("operand", ir::compute_type(dtype), ir::BufferKind::kInput);
    elements.push_back(builder.load(buffer, builder.integer(0)));
  }
  const Result<ir::E> value = parse(op, builder, elements, attrs);
  // Of a 16-bit float only the value is at hand, in a wider type: it has no bits.
  const bool has_bits =
      op != ir::Op::kBitCast || (ir::compute_type(common) == common &&
                                 ir::compute_type(attrs.dtype("to")) == attrs.dtype("to"));
  if (!value || value->type().lanes != 1 || !has_bits) {
    std::vector<std::string_view> given;
    for (const DType dtype : operands) given.push_back(to_string(dtype));
    // Of a user's own text it matters where it is wrong.
    const std::string why = op == ir::Op::kFormula && !value
                                ? ": " + value.error().diagnostics.front().message
                                : std::string();
    return wrong("'{}' does not work with {}{}", meaning_text(op, attrs), fmt::join(given, ", "),
                 why);
  }
  if (attrs.has("to")) return attrs.dtype("to");
  return value->type().dtype == DType::kBool ? DType::kBool : common;
}

}  // namespace tenon::ops
