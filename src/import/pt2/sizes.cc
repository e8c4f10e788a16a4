#include "import/pt2/sizes.h"

#include <fmt/format.h>

#include <algorithm>

#include "import/pt2/expression.h"

namespace tenon::import::pt2 {

using ir::Dim;

namespace {

/// What torch writes for "no bound" is beyond it.
constexpr int64_t kUnbounded = int64_t{1} << 40;

std::unexpected<Error> usage(std::string message) {
  return fail(ErrorKind::kUsage, std::move(message));
}

}  // namespace

Result<Dim> Sizes::dim(const Size& size) {
  if (const auto* number = std::get_if<int64_t>(&size.value)) return *number;
  std::string unknown;
  TENON_TRY(const Dim result, parse_expression(std::get<std::string>(size.value), dims_,
                                               [&](const std::string& symbol) -> Dim {
                                                 const auto fixed = fixed_.find(symbol);
                                                 if (fixed != fixed_.end()) return fixed->second;
                                                 if (!hints_.contains(symbol)) unknown = symbol;
                                                 return dims_.symbol(symbol);
                                               }));
  if (!unknown.empty()) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("a size that depends on the data of inputs ({})", unknown));
  }
  return result;
}

Result<std::vector<Dim>> Sizes::dims(const TensorMeta& meta) {
  std::vector<Dim> result;
  for (const Size& size : meta.sizes) {
    TENON_TRY(const Dim one, dim(size));
    result.push_back(one);
  }
  return result;
}

Result<void> Sizes::fix(const std::string& symbol, int64_t value) {
  const auto [known, is_new] = fixed_.emplace(symbol, value);
  if (!is_new && known->second != value) {
    return usage(fmt::format("dim '{}' cannot be both {} and {}", symbol, known->second, value));
  }
  const auto range = program_.ranges.find(symbol);
  if (range == program_.ranges.end()) return {};
  if (value < range->second.least.value_or(value) ||
      value > range->second.greatest.value_or(value)) {
    return usage(fmt::format("dim '{}' cannot be {}: the model was exported for {} to {}", symbol,
                             value, range->second.least.value_or(1),
                             range->second.greatest.value_or(value)));
  }
  return {};
}

Result<void> Sizes::fix_shape(const std::string& input, const std::vector<int64_t>& shape) {
  const TensorMeta& meta = program_.graph.tensors.find(input)->second;
  if (meta.sizes.size() != shape.size()) {
    return usage(fmt::format("input '{}' has {} axes, the given shape has {}", input,
                             meta.sizes.size(), shape.size()));
  }
  if (!ir::checked_product(shape)) {
    return usage(fmt::format("the shape given for '{}' is none", input));
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    TENON_TRY(const Dim in_file, dim(meta.sizes[i]));
    if (in_file.is_constant()) {
      is_overruled_ |= !in_file.is(shape[i]);
      continue;
    }
    const std::vector<std::string> symbols = dims_.symbols(in_file);
    if (symbols.size() == 1 && in_file == dims_.symbol(symbols[0])) {
      TENON_TRY_DO(fix(symbols[0], shape[i]));
    }
  }
  return {};
}

Result<void> Sizes::bind_inputs(const std::vector<std::string>& inputs) {
  const auto note = [&](const Size& size) -> Result<void> {
    const auto* text = std::get_if<std::string>(&size.value);
    if (!text) return {};
    TENON_TRY_DO(parse_expression(*text, dims_, [&](const std::string& symbol) {
      hints_.emplace(symbol, size.hint.value_or(0));
      return dims_.symbol(symbol);
    }));
    return {};
  };
  for (const Argument& input : program_.graph.inputs) {
    const Reference* value = input.reference();
    if (!value) continue;
    if (const auto size = program_.graph.sizes.find(value->name);
        size != program_.graph.sizes.end()) {
      TENON_TRY_DO(note(size->second));
    }
    const auto meta = program_.graph.tensors.find(value->name);
    if (meta == program_.graph.tensors.end()) continue;
    for (const Size& size : meta->second.sizes) {
      TENON_TRY_DO(note(size));
    }
  }
  TENON_TRY_DO(check_options(inputs));
  for (const auto& [symbol, value] : options_.symbols) {
    TENON_TRY_DO(fix(symbol, value));
  }
  for (const auto& [input, shape] : options_.shapes) {
    TENON_TRY_DO(fix_shape(input, shape));
  }
  for (const auto& [symbol, range] : program_.ranges) {
    if (range.greatest && *range.greatest < kUnbounded && *range.greatest > 0 &&
        hints_.contains(symbol) && !fixed_.contains(symbol)) {
      dims_.limit(symbol, *range.greatest);
    }
  }
  return {};
}

Result<void> Sizes::check_options(const std::vector<std::string>& inputs) const {
  return check_names(
      options_,
      [&](const std::string& name) { return std::ranges::find(inputs, name) != inputs.end(); },
      [&](const std::string& name) { return hints_.contains(name); });
}

Result<std::vector<Dim>> Sizes::input_dims(const std::string& name) {
  if (const auto given = options_.shapes.find(name); given != options_.shapes.end()) {
    return std::vector<Dim>(given->second.begin(), given->second.end());
  }
  const TensorMeta& meta = program_.graph.tensors.find(name)->second;
  TENON_TRY(std::vector<Dim> dims, this->dims(meta));
  std::vector<int64_t> numbers;
  for (Dim dim : dims) {
    if (dim.is_constant()) numbers.push_back(dim.value());
  }
  if (!ir::checked_product(numbers)) {
    return fail(ErrorKind::kBadModel,
                fmt::format("'{}' has sizes that are negative or too large", name));
  }
  return dims;
}

bool Sizes::contradicts(Dim inferred, Dim in_file) const {
  if (is_overruled_ || inferred == in_file) return false;
  if (inferred.is_constant() && in_file.is_constant()) return true;
  // Two forms of one size are equal for the example inputs.
  std::map<std::string, int64_t> values = hints_;
  for (const auto& [symbol, value] : fixed_) values[symbol] = value;
  for (Dim dim : {inferred, in_file}) {
    for (const std::string& symbol : dims_.symbols(dim)) {
      if (!values.contains(symbol) || values[symbol] < 1) return false;
    }
  }
  return dims_.evaluate(inferred, values) != dims_.evaluate(in_file, values);
}

}  // namespace tenon::import::pt2
