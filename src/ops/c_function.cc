#include "ops/c_function.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>

#include "ir/dim_text.h"
#include "ops/custom_operator.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "runtime/abi.h"

namespace tenon::ops {
namespace {

using ir::Dim;

/// A shape rule at work: names that stand for sizes, and attributes as numbers.
class ShapeRule {
 public:
  ShapeRule(ir::Dims& dims, const CustomOperator& custom, std::span<const double> numbers)
      : dims_(dims), custom_(custom), numbers_(numbers) {}

  /// Sizes in order of their first place.
  const std::vector<Dim>& sizes() const { return sizes_; }

  std::expected<void, std::string> bind(const CustomOperator::Operand& operand,
                                        const ir::TensorType& type) {
    TENON_TRY(const ir::TensorType pattern, read(operand.type));
    const auto differs = [&] {
      return wrong("operand '{}' must be {}, not {}", operand.name, operand.type,
                   ir::to_string(dims_, type));
    };
    if (pattern.dtype != type.dtype || pattern.rank() != type.rank()) return differs();
    for (size_t axis = 0; axis < type.rank(); ++axis) {
      const std::string name = dims_.to_string(pattern.dims[axis]);
      if (ir::is_word(name) && !bound_.contains(name)) {
        bound_.emplace(name, type.dims[axis]);
        sizes_.push_back(type.dims[axis]);
        continue;
      }
      TENON_TRY(const Dim expected, value_of(pattern.dims[axis]));
      if (!dims_.unify(type.dims[axis], expected)) return differs();
    }
    return {};
  }

  std::expected<ir::TensorType, std::string> result() {
    TENON_TRY(ir::TensorType type, read(custom_.result));
    for (Dim& dim : type.dims) {
      TENON_TRY(dim, value_of(dim));
    }
    return type;
  }

 private:
  /// The text with numbers for `$attribute`s.
  std::expected<std::string, std::string> with_numbers(std::string text) const {
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

  std::expected<ir::TensorType, std::string> read(const std::string& written) {
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

  std::expected<Dim, std::string> value_of(Dim pattern) {
    for (const std::string& name : dims_.symbols(pattern)) {
      if (!bound_.contains(name)) return wrong("no operand before shows the size '{}'", name);
    }
    return dims_.substitute(pattern, bound_);
  }

  ir::Dims& dims_;
  const CustomOperator& custom_;
  std::span<const double> numbers_;
  std::map<std::string, Dim> bound_;
  std::vector<Dim> sizes_;
};

struct Call {
  ir::TensorType result;
  CFunction function;
};

std::expected<Call, std::string> apply(ir::Dims& dims, const ir::Attrs& attrs,
                                       std::span<const ir::TensorType* const> operands) {
  const Result<CustomOperator> custom = parse_definition(attrs.text("definition"));
  if (!custom) return wrong("{}", custom.error().diagnostics.front().message);
  const std::vector<double>& numbers = attrs.numbers("numbers");
  if (custom->is_formula() || custom->operands.size() != operands.size() ||
      custom->attributes.size() != numbers.size()) {
    return wrong("'{}' does not take {} operands and {} attributes", custom->definition,
                 operands.size(), numbers.size());
  }
  ShapeRule rule(dims, *custom, numbers);
  for (size_t i = 0; i < operands.size(); ++i) {
    TENON_TRY_DO(rule.bind(custom->operands[i], *operands[i]));
  }
  TENON_TRY(ir::TensorType result, rule.result());
  std::vector<Dim> params = rule.sizes();
  for (double number : numbers) params.emplace_back(std::bit_cast<int64_t>(number));
  return Call{std::move(result), {custom->symbol, custom->library, std::move(params)}};
}

Inferred infer(InferContext& context) {
  TENON_TRY(Call call, apply(context.dims, context.attrs, context.operands));
  return std::vector{std::move(call.result)};
}

Evaluated evaluate(EvaluateContext& context) {
  ir::Dims dims;
  std::vector<ir::TensorType> types;
  std::vector<void*> buffers;
  for (const Tensor* operand : context.operands) {
    types.push_back({operand->dtype(), {operand->shape().begin(), operand->shape().end()}});
    buffers.push_back(const_cast<std::byte*>(operand->bytes()));
  }
  buffers.push_back(context.results[0]->bytes());
  std::vector<const ir::TensorType*> operands;
  for (const ir::TensorType& type : types) operands.push_back(&type);
  TENON_TRY(const Call call, apply(dims, context.attrs, operands));
  void* library = dlopen(call.function.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, call.function.symbol.c_str()) : nullptr;
  if (!symbol) return wrong("{}", dlerror());
  std::vector<int64_t> params;
  for (const Dim param : call.function.params) params.push_back(param.value());
  const tenon_args args = {buffers.data(), params.data(), nullptr, nullptr};
  const int32_t code = reinterpret_cast<tenon_kernel>(symbol)(&args, 0, 1);
  if (code != 0) return wrong("'{}' reported error {}", call.function.symbol, code);
  return {};
}

void to_loops(ir::LoopScope&) { TENON_CHECK(false, "a foreign function has no loops"); }

}  // namespace

CFunction c_function_of(ir::Module& module, const ir::Node& node) {
  std::vector<const ir::TensorType*> operands;
  for (ir::ValueId input : node.inputs) operands.push_back(&module.value(input).type);
  auto call = apply(module.dims, node.attrs, operands);
  TENON_CHECK(call.has_value(), "a node whose shape rule held");
  return std::move(call->function);
}

template <>
Operator define<ir::Op::kCFunction>() {
  return {.infer = infer, .evaluate = evaluate, .to_loops = to_loops, .traits = {.foreign = true}};
}

}  // namespace tenon::ops
