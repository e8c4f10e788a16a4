#include "ops/shape_rule.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "ir/dim_text.h"
#include "ops/shape.h"

namespace tenon::ops {

using ir::Dim;

std::expected<void, std::string> ShapeRule::name_sizes(const ir::TensorType& type) {
  const CustomOperator::Operand& operand = custom_.operands[operands_];
  TENON_TRY(const ir::TensorType pattern, read(operand.type));
  if (pattern.dtype != type.dtype || pattern.rank() != type.rank()) {
    return wrong("operand '{}' must be {}, not {}", operand.name, operand.type,
                 ir::to_string(dims_, type));
  }
  for (size_t axis = 0; axis < type.rank(); ++axis) {
    const std::string name = dims_.to_string(pattern.dims[axis]);
    if (!ir::is_word(name) || !bound_.emplace(name, type.dims[axis]).second) continue;
    sizes_.push_back({name, operands_, axis, type.dims[axis]});
  }
  ++operands_;
  return {};
}

std::expected<void, std::string> ShapeRule::operand(const ir::TensorType& actual) {
  const CustomOperator::Operand& operand = custom_.operands[operands_];
  TENON_TRY_DO(name_sizes(actual));
  TENON_TRY(const ir::TensorType expected, type(operand.type));
  for (size_t axis = 0; axis < actual.rank(); ++axis) {
    if (dims_.unify(actual.dims[axis], expected.dims[axis])) continue;
    return wrong("operand '{}' must be {}, not {}", operand.name, operand.type,
                 ir::to_string(dims_, actual));
  }
  return {};
}

std::expected<ir::TensorType, std::string> ShapeRule::type(const std::string& written) const {
  TENON_TRY(ir::TensorType type, read(written));
  for (Dim& dim : type.dims) {
    TENON_TRY(dim, value_of(dim));
  }
  return type;
}

/// The text with numbers for `$attribute`s.
std::expected<std::string, std::string> ShapeRule::with_numbers(std::string text) const {
  for (size_t at = 0; (at = text.find('$', at)) != std::string::npos;) {
    for (size_t i = 0; i <= numbers_.size(); ++i) {
      if (i == numbers_.size()) return wrong("{}: no such attribute", text.substr(at));
      const std::string& name = custom_.attributes[i].name;
      if (!std::string_view(text).substr(at + 1).starts_with(name)) continue;
      const size_t end = at + 1 + name.size();
      if (end < text.size() && (std::isalnum(text[end]) || text[end] == '_')) continue;
      if (numbers_[i] != std::trunc(numbers_[i]) || std::abs(numbers_[i]) > 1e15) {
        return wrong("attribute '{}' must be a whole number, not {}", name, numbers_[i]);
      }
      text.replace(at, name.size() + 1, fmt::format("{:.0f}", numbers_[i]));
      break;
    }
  }
  return text;
}

std::expected<ir::TensorType, std::string> ShapeRule::read(const std::string& written) const {
  TENON_TRY(const std::string text, with_numbers(written));
  ir::TextCursor cursor(text);
  const auto read_all = [&]() -> Result<ir::TensorType> {
    TENON_TRY(const std::string_view name, cursor.word());
    const std::optional<ir::DType> dtype = ir::parse_dtype(name);
    if (!dtype) return cursor.error(fmt::format("'{}' is no dtype", name));
    ir::TensorType type{*dtype, {}};
    TENON_TRY_DO(cursor.expect("["));
    while (!cursor.accept("]")) {
      if (!type.dims.empty()) TENON_TRY_DO(cursor.expect(","));
      TENON_TRY(const Dim dim, ir::parse_dim(cursor, dims_));
      type.dims.push_back(dim);
    }
    return type;
  };
  Result<ir::TensorType> type = read_all();
  if (!type) return wrong("'{}': {}", written, type.error().diagnostics.front().message);
  return *std::move(type);
}

std::expected<Dim, std::string> ShapeRule::value_of(Dim pattern) const {
  for (const std::string& name : dims_.symbols(pattern)) {
    if (!bound_.contains(name)) return wrong("no operand before shows the size '{}'", name);
  }
  try {
    return dims_.substitute(pattern, bound_);
  } catch (const InternalError&) {
    // A size beyond 64 bits or a division by 0 is the definition's fault.
    return wrong("the size {} overflows 64 bits or divides by 0", dims_.to_string(pattern));
  }
}

std::expected<CustomOperator, std::string> definition_of(const ir::Attrs& attrs, size_t operands) {
  Result<CustomOperator> custom = parse_definition(attrs.text("definition"));
  if (!custom) return wrong("{}", custom.error().diagnostics.front().message);
  const size_t numbers = attrs.numbers("numbers").size();
  if (custom->operands.size() != operands || custom->attributes.size() != numbers) {
    return wrong("'{}' does not take {} operands and {} attributes", custom->definition, operands,
                 numbers);
  }
  return *std::move(custom);
}

}  // namespace tenon::ops
