#include "ops/meaning.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "ops/meaning_parser.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::DType;
using ir::ExprKind;

/// What a term is before a number has met anything.
struct TermType {
  std::optional<DType> dtype;  // nothing: a number
  bool fractional = false;     // a number that an integer type cannot take
};

bool takes_floats_only(ExprKind kind) {
  switch (kind) {
    case ExprKind::kSqrt:
    case ExprKind::kFloor:
    case ExprKind::kCeil:
    case ExprKind::kRound:
    case ExprKind::kTrunc: return true;
    default: return ir::is_math(kind);
  }
}

bool is_bitwise(ExprKind kind) {
  return kind == ExprKind::kAnd || kind == ExprKind::kOr || kind == ExprKind::kXor ||
         kind == ExprKind::kNot;
}

bool is_shift(ExprKind kind) { return kind == ExprKind::kShl || kind == ExprKind::kShr; }

using Unified = std::expected<TermType, std::string>;

Unified unify(TermType a, TermType b) {
  if (a.dtype && b.dtype && *a.dtype != *b.dtype) {
    return wrong("operands have different dtypes, {} and {}", to_string(*a.dtype),
                 to_string(*b.dtype));
  }
  TermType result{a.dtype ? a.dtype : b.dtype, a.fractional || b.fractional};
  if (result.dtype && result.fractional) {
    if (!ir::is_float(*result.dtype))
      return wrong("needs floats, not {}", to_string(*result.dtype));
    result.fractional = false;
  }
  return result;
}

/// The type of a call whose operands (without a select's condition) have `type`.
Unified call_type(ExprKind kind, TermType type) {
  if (!type.dtype) return type;
  const DType dtype = *type.dtype;
  if (ir::is_compare(kind)) return TermType{DType::kBool};
  if (kind == ExprKind::kSelect) return type;
  if (is_bitwise(kind)) {
    if (ir::is_float(dtype)) return wrong("needs bool or integers, not {}", to_string(dtype));
  } else if (is_shift(kind)) {
    if (!ir::is_integer(dtype)) return wrong("needs integers, not {}", to_string(dtype));
  } else if (takes_floats_only(kind)) {
    if (!ir::is_float(dtype)) return wrong("needs floats, not {}", to_string(dtype));
  } else if (dtype == DType::kBool) {
    return wrong("needs numbers, not bool");
  }
  return type;
}

/// A whole number goes in as an integer, so that -1 is a constant of an unsigned type too.
ir::E literal(ir::LoopBuilder& builder, double number, ir::VectorType type) {
  if (ir::is_float(type.dtype)) return builder.literal(number, type);
  return builder.literal(static_cast<int64_t>(number), type);
}

double attribute_number(const ir::Attrs& attrs, const ir::OpInfo::Attribute& attribute) {
  if (attribute.kind == "bool") return attrs.flag(attribute.name) ? 1 : 0;
  if (attribute.kind == "int") return static_cast<double>(attrs.integer(attribute.name));
  return attrs.number(attribute.name);
}

double fold(ExprKind kind, double a, double b) {
  switch (kind) {
    case ExprKind::kNeg: return -a;
    case ExprKind::kAdd: return a + b;
    case ExprKind::kSub: return a - b;
    case ExprKind::kMul: return a * b;
    case ExprKind::kDiv: return a / b;
    default: internal_error("a call of numbers alone in a meaning", __FILE__, __LINE__);
  }
}

}  // namespace

Meaning::Meaning(ir::Op op) : info_(&ir::info(op)) { MeaningParser(*info_, terms_).parse(); }

const Meaning& Meaning::of(ir::Op op) {
  static const std::vector<std::optional<Meaning>> meanings = [] {
    std::vector<std::optional<Meaning>> all(ir::op_count());
    for (size_t i = 0; i < all.size(); ++i) {
      if (ir::info(static_cast<ir::Op>(i)).elementwise) all[i] = Meaning(static_cast<ir::Op>(i));
    }
    return all;
  }();
  const std::optional<Meaning>& meaning = meanings[static_cast<size_t>(op)];
  TENON_CHECK(meaning.has_value(), "only elementwise rows have a meaning");
  return *meaning;
}

std::expected<DType, std::string> Meaning::result_dtype(std::span<const DType> operands,
                                                        const ir::Attrs& attrs) const {
  std::vector<TermType> types;
  for (const Term& term : terms_) {
    switch (term.kind) {
      case TermKind::kNumber:
        types.push_back(
            {.fractional = term.number != std::floor(term.number) || std::isinf(term.number)});
        break;
      case TermKind::kAttribute: {
        const std::string& kind = info_->attributes[term.index].kind;
        TermType type{.fractional = kind == "float"};
        if (kind == "bool") type.dtype = DType::kBool;
        if (kind == "dtype") type.dtype = attrs.dtype(info_->attributes[term.index].name);
        types.push_back(type);
        break;
      }
      case TermKind::kOperand: types.push_back({operands[term.index]}); break;
      case TermKind::kCall: {
        if (term.call == ExprKind::kCast) {
          types.push_back(types[term.arguments[1]]);
          break;
        }
        if (term.call == ExprKind::kBitcast) {
          const DType from = *types[term.arguments[0]].dtype;
          const DType to = *types[term.arguments[1]].dtype;
          // Of a 16-bit float only the value is at hand, in a wider type.
          const bool has_bits = ir::compute_type(from) == from && ir::compute_type(to) == to;
          if (!has_bits || ir::size_of(from) != ir::size_of(to)) {
            return wrong("the bits of {} cannot be read as {}", to_string(from), to_string(to));
          }
          types.push_back({to});
          break;
        }
        std::span<const size_t> arguments = term.arguments;
        if (term.call == ExprKind::kSelect) {
          TermType condition = types[arguments[0]];
          if (condition.dtype != DType::kBool) {
            return wrong("the condition must be bool, not {}", to_string(*condition.dtype));
          }
          arguments = arguments.subspan(1);
        }
        TermType type = types[arguments[0]];
        for (size_t argument : arguments.subspan(1)) {
          TENON_TRY(type, unify(type, types[argument]));
        }
        TENON_TRY(type, call_type(term.call, type));
        types.push_back(type);
        break;
      }
    }
  }
  TENON_CHECK(types.back().dtype.has_value(), "a meaning reads an operand");
  return *types.back().dtype;
}

ir::E Meaning::build(ir::LoopBuilder& builder, std::span<const ir::E> operands,
                     const ir::Attrs& attrs) const {
  struct Value {
    ir::E expression;  // without a builder: a number
    double number = 0;
    DType dtype = {};  // of a dtype attribute
  };
  std::vector<Value> values;
  // Several numbers take the type of the argument that has one.
  auto typed = [&](std::span<const size_t> arguments) {
    std::vector<ir::E> result;
    std::optional<ir::VectorType> type;
    for (size_t argument : arguments) {
      const Value& value = values[argument];
      if (value.expression.builder != nullptr) type = value.expression.type();
    }
    if (!type) return result;
    for (size_t argument : arguments) {
      const Value& value = values[argument];
      result.push_back(value.expression.builder != nullptr ? value.expression
                                                           : literal(builder, value.number, *type));
    }
    return result;
  };
  for (const Term& term : terms_) {
    Value value;
    switch (term.kind) {
      case TermKind::kNumber: value.number = term.number; break;
      case TermKind::kAttribute: {
        const ir::OpInfo::Attribute& attribute = info_->attributes[term.index];
        if (attribute.kind == "dtype") {
          value.dtype = attrs.dtype(attribute.name);
        } else {
          value.number = attribute_number(attrs, attribute);
        }
        break;
      }
      case TermKind::kOperand: value.expression = operands[term.index]; break;
      case TermKind::kCall: {
        std::span<const size_t> arguments = term.arguments;
        if (term.call == ExprKind::kCast) {
          // A cast to a 16-bit float rounds also where its result never goes to memory.
          DType to = values[arguments[1]].dtype;
          ir::E rounded = builder.cast(values[arguments[0]].expression, to);
          value.expression = builder.cast(rounded, ir::compute_type(to));
        } else if (term.call == ExprKind::kBitcast) {
          value.expression =
              builder.bitcast(values[arguments[0]].expression, values[arguments[1]].dtype);
        } else if (term.call == ExprKind::kSelect) {
          std::vector<ir::E> branches = typed(arguments.subspan(1));
          value.expression =
              builder.select(values[arguments[0]].expression, branches[0], branches[1]);
        } else if (std::vector<ir::E> known = typed(arguments); known.empty()) {
          value.number = fold(term.call, values[arguments[0]].number,
                              arguments.size() > 1 ? values[arguments[1]].number : 0);
        } else if (known.size() == 1) {
          value.expression = builder.unary(term.call, known[0]);
        } else {
          value.expression = builder.binary(term.call, known[0], known[1]);
        }
        break;
      }
    }
    values.push_back(value);
  }
  return values.back().expression;
}

}  // namespace tenon::ops
