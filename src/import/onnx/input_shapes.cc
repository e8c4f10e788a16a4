#include "import/onnx/input_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace tenon::import::onnx {

using ir::Dim;

namespace {

bool is_identifier(std::string_view text) {
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

}  // namespace

InputShapes::InputShapes(const Graph& graph, const ImportOptions& options, ir::Dims& dims)
    : graph_(graph), options_(options), dims_(dims) {
  // Names of dims must be known before a dim may be an expression over them.
  for (const ValueInfo& input : graph.inputs) {
    if (!input.shape) continue;
    for (const Dimension& dim : *input.shape) {
      if (!dim.value && is_identifier(dim.symbol)) symbol(dim.symbol);
    }
  }
}

Dim InputShapes::symbol(std::string_view name) {
  const auto known = symbols_.find(name);
  if (known != symbols_.end()) return known->second;
  const auto fixed = options_.symbols.find(std::string(name));
  const Dim dim = fixed == options_.symbols.end() ? dims_.symbol(name) : Dim(fixed->second);
  symbols_.emplace(name, dim);
  return dim;
}

Dim InputShapes::named_dim(std::string_view text) {
  if (symbols_.contains(text)) return symbol(text);
  // "2*batch" is an expression only where "batch" is a dim too; "batch-size" is just a name.
  const Result<Dim> expression = dims_.parse(text);
  if (!expression) return symbol(text);
  std::map<std::string, Dim> values;
  for (const std::string& name : dims_.symbols(*expression)) {
    if (!symbols_.contains(name)) return symbol(text);
    values.emplace(name, symbol(name));
  }
  return dims_.substitute(*expression, values);
}

Result<std::vector<Dim>> InputShapes::dims_of(const ValueInfo& input) {
  const auto given = options_.shapes.find(std::string(input.name));
  if (given != options_.shapes.end()) {
    if (input.shape && input.shape->size() != given->second.size()) {
      return fail(ErrorKind::kUsage,
                  fmt::format("input '{}' has {} axes, the given shape has {}", input.name,
                              input.shape->size(), given->second.size()));
    }
    if (!ir::checked_product(given->second)) {
      return fail(ErrorKind::kUsage, fmt::format("the shape given for '{}' is none", input.name));
    }
    return std::vector<Dim>(given->second.begin(), given->second.end());
  }
  if (!input.shape) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("input '{}' has an unknown number of axes", input.name), {},
                fmt::format("give its shape: --shape {}:2x3", input.name));
  }
  std::vector<Dim> dims;
  std::vector<int64_t> numbers;
  for (const Dimension& dim : *input.shape) {
    if (dim.value) {
      numbers.push_back(*dim.value);
      dims.emplace_back(*dim.value);
    } else if (dim.symbol.empty()) {
      dims.push_back(symbol(fmt::format("{}_{}", input.name, dims.size())));
    } else {
      dims.push_back(named_dim(dim.symbol));
    }
  }
  if (!ir::checked_product(numbers)) {
    return fail(ErrorKind::kBadModel,
                fmt::format("input '{}' has dims that are negative or too large", input.name));
  }
  return dims;
}

Result<void> InputShapes::check_options() const {
  return check_names(
      options_,
      [&](const std::string& name) {
        return std::ranges::find(graph_.inputs, name, &ValueInfo::name) != graph_.inputs.end();
      },
      [&](const std::string& name) { return symbols_.contains(name); });
}

}  // namespace tenon::import::onnx
