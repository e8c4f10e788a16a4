#include "passes/rules/match.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"
#include "passes/graph/commutative.h"

namespace tenon::passes {

using ir::NodeId;
using ir::ValueId;
using Kind = Pattern::Kind;

namespace {

/// Whether a constant that was rounded to `dtype` stands for `number`. What the dtype can hold
/// must be met exactly.
bool stands_for(double value, double number, ir::DType dtype) {
  if (value == number) return true;
  if (!ir::is_float(dtype) || static_cast<double>(static_cast<float>(number)) == number) {
    return false;
  }
  const double step = dtype == ir::DType::kFloat16    ? 0x1p-10
                      : dtype == ir::DType::kBFloat16 ? 0x1p-7
                                                      : 0x1p-22;
  return std::abs(value - number) <= step * std::abs(number);
}

/// The value of a constant with one element, where a double has it exactly.
std::optional<double> exact_scalar(const ir::Module& module, ValueId value) {
  const std::optional<double> scalar = value ? module.scalar(value) : std::nullopt;
  if (!scalar || (!ir::is_float(module.value(value).type.dtype) && std::abs(*scalar) >= 0x1p53)) {
    return std::nullopt;
  }
  return scalar;
}

}  // namespace

const ir::TensorType& Match::type(const std::string& name) const {
  return module_->value(value(name)).type;
}

int64_t Match::integer(const std::string& name) const {
  return std::get<int64_t>(variables_.at(name));
}

const std::vector<int64_t>& Match::integers(const std::string& name) const {
  return std::get<std::vector<int64_t>>(variables_.at(name));
}

const std::vector<ir::Dim>& Match::list(const std::string& name) const {
  return std::get<std::vector<ir::Dim>>(variables_.at(name));
}

bool Match::set(const std::string& name, ir::AttrValue value) {
  variables_.insert_or_assign(name, std::move(value));
  return true;
}

/// Every step takes a match so far and gives the ways to go on from it.
class Matcher {
 public:
  explicit Matcher(const ir::Module& module) : module_(module) {}

  std::vector<Match> node(const Pattern& pattern, NodeId id, Match so_far) const {
    const ir::Node& node = module_.node(id);
    if (node.op != pattern.op || node.outputs.size() != 1 ||
        node.inputs.size() != pattern.parts.size() || !attributes(pattern, node, so_far)) {
      return {};
    }
    if (!bind(so_far.values_, pattern.name, node.outputs[0])) return {};
    so_far.nodes_.push_back(id);
    std::vector<Match> found = operands(pattern, node.inputs, so_far);
    if (is_commutative(node.op) && node.inputs[0] != node.inputs[1]) {
      std::ranges::move(operands(pattern, {node.inputs[1], node.inputs[0]}, so_far),
                        std::back_inserter(found));
    }
    return found;
  }

 private:
  std::vector<Match> operands(const Pattern& pattern, const std::vector<ValueId>& inputs,
                              const Match& so_far) const {
    std::vector<Match> found = {so_far};
    for (size_t i = 0; i < inputs.size() && !found.empty(); ++i) {
      std::vector<Match> next;
      for (Match& match : found) {
        std::ranges::move(value(pattern.parts[i], inputs[i], std::move(match)),
                          std::back_inserter(next));
      }
      found = std::move(next);
    }
    return found;
  }

  std::vector<Match> value(const Pattern& pattern, ValueId value, Match so_far) const {
    const bool fits = [&] {
      switch (pattern.kind) {
        case Kind::kValue:
          return (value || pattern.optional) && bind(so_far.values_, pattern.name, value);
        case Kind::kAbsent: return !value;
        case Kind::kNumber: {
          const auto scalar = exact_scalar(module_, value);
          return scalar && stands_for(*scalar, pattern.number, module_.value(value).type.dtype);
        }
        case Kind::kVariable: {
          const auto scalar = exact_scalar(module_, value);
          return scalar && bind(so_far.variables_, pattern.name, ir::AttrValue(*scalar));
        }
        case Kind::kNode:
        case Kind::kEither: return false;
      }
      return false;
    }();
    if (fits) return {std::move(so_far)};
    if (pattern.kind == Kind::kNode && value && module_.producer(value)) {
      return node(pattern, module_.producer(value), std::move(so_far));
    }
    std::vector<Match> found;
    if (pattern.kind == Kind::kEither) {
      for (const Pattern& part : pattern.parts) {
        std::ranges::move(this->value(part, value, so_far), std::back_inserter(found));
      }
    }
    return found;
  }

  bool attributes(const Pattern& pattern, const ir::Node& node, Match& so_far) const {
    return std::ranges::all_of(pattern.attributes, [&](const Pattern::Attribute& attribute) {
      const ir::AttrValue* value = node.attrs.find(attribute.name);
      if (value == nullptr) return false;
      return attribute.variable.empty() ? *value == attribute.literal
                                        : bind(so_far.variables_, attribute.variable, *value);
    });
  }

  template <class Value>
  static bool bind(std::map<std::string, Value>& names, const std::string& name,
                   const Value& value) {
    return name.empty() || names.try_emplace(name, value).first->second == value;
  }

  const ir::Module& module_;
};

class Builder {
 public:
  explicit Builder(const Match& match)
      : match_(match), module_(match.module()), origin_(module_.node(match.root_).origin) {}

  std::optional<ValueId> value(const Pattern& pattern, ir::DType dtype) const {
    switch (pattern.kind) {
      case Kind::kValue: return match_.value(pattern.name);
      case Kind::kAbsent: return ValueId();
      case Kind::kNumber: return scalar(pattern.number, dtype);
      case Kind::kVariable: return scalar(match_.number(pattern.name), dtype);
      case Kind::kNode: return node(pattern, dtype);
      case Kind::kEither: break;
    }
    internal_error("a replacement without alternatives", __FILE__, __LINE__);
  }

 private:
  std::optional<ValueId> node(const Pattern& pattern, ir::DType dtype) const {
    std::vector<ValueId> inputs(pattern.parts.size());
    for (bool numbers : {false, true}) {
      for (size_t i = 0; i < inputs.size(); ++i) {
        const Kind kind = pattern.parts[i].kind;
        if ((kind == Kind::kNumber || kind == Kind::kVariable) != numbers) continue;
        const std::optional<ValueId> made = value(pattern.parts[i], dtype);
        if (!made) return std::nullopt;
        inputs[i] = *made;
        // Numbers take the dtype of what they stand beside.
        if (!numbers && *made) dtype = module_.value(*made).type.dtype;
      }
    }
    ir::Attrs attrs;
    for (const Pattern::Attribute& attribute : pattern.attributes) {
      attrs.set(attribute.name, attribute.variable.empty()
                                    ? attribute.literal
                                    : match_.variables_.at(attribute.variable));
    }
    Result<ValueId> made = ops::add(module_, pattern.op, std::move(inputs), attrs, origin_);
    return made ? std::optional(*made) : std::nullopt;
  }

  ValueId scalar(double number, ir::DType dtype) const {
    ops::Tensor tensor(dtype, {});
    tensor.set_number(0, number);
    return ops::add_constant(module_, tensor, origin_);
  }

  const Match& match_;
  ir::Module& module_;
  ir::OriginId origin_;
};

std::vector<Match> find_matches(const Pattern& pattern, ir::Module& module, NodeId root) {
  return Matcher(module).node(pattern, root, Match(module, root));
}

std::optional<ValueId> build(const Pattern& replacement, const Match& match) {
  return Builder(match).value(replacement, match.result_type().dtype);
}

}  // namespace tenon::passes
