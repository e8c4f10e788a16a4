#include "import/pt2/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace tenon::import::pt2 {
namespace {

/// What says where a tensor lies, or how it is made, and never what its elements are.
constexpr std::string_view kPlacement[] = {"device", "pin_memory", "non_blocking", "memory_format"};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// Cuts the text before the next ',' outside brackets off.
std::string_view take_entry(std::string_view& text) {
  int depth = 0;
  size_t end = 0;
  for (; end < text.size() && (depth > 0 || text[end] != ','); ++end) {
    if (text[end] == '[') ++depth;
    if (text[end] == ']') --depth;
  }
  const std::string_view entry = trim(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return entry;
}

Value literal(std::string_view text) {
  if (text == "None") return {};
  if (text == "True" || text == "False") return {text == "True"};
  if (text.starts_with('\'')) return {std::string(text.substr(1, text.size() - 2))};
  if (text.starts_with('[')) {
    std::vector<Value> elements;
    std::string_view rest = text.substr(1, text.size() - 2);
    while (!rest.empty()) elements.push_back(literal(take_entry(rest)));
    return {std::move(elements)};
  }
  int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, integer).ptr == end) return {ir::Dim(integer)};
  double number = 0;
  TENON_CHECK(std::from_chars(text.data(), end, number).ptr == end, "a default is a literal");
  return {number};
}

std::optional<Value> take(std::vector<NamedValue>& given, std::string_view name, size_t position) {
  const bool by_position = position < given.size() && given[position].name.empty();
  const auto found = by_position ? given.begin() + static_cast<std::ptrdiff_t>(position)
                                 : std::ranges::find(given, name, &NamedValue::name);
  if (found == given.end()) return std::nullopt;
  found->name = "taken";
  return std::exchange(found->value, Value());
}

bool may_be_left_out(const NamedValue& argument) {
  if (argument.value.is_none() || std::ranges::count(kPlacement, argument.name) > 0) return true;
  const auto* code = argument.value.get<ir::Dim>();
  return argument.name == "layout" && code && code->is(kStrided);
}

}  // namespace

Result<std::vector<NamedValue>> bind_arguments(std::string_view signature,
                                               std::vector<NamedValue> given) {
  std::vector<NamedValue> bound;
  while (!signature.empty()) {
    const std::string_view entry = take_entry(signature);
    const size_t equals = entry.find('=');
    const std::string_view name = entry.substr(0, equals);
    std::optional<Value> value = take(given, name, bound.size());
    if (!value && equals == std::string_view::npos) {
      return fail(ErrorKind::kBadModel, fmt::format("argument '{}' is missing", name));
    }
    if (!value) value = literal(entry.substr(equals + 1));
    bound.push_back({std::string(name), *std::move(value)});
  }
  for (const NamedValue& argument : given) {
    if (!may_be_left_out(argument)) {
      return fail(ErrorKind::kUnsupported, fmt::format("argument '{}'", argument.name));
    }
  }
  return bound;
}

}  // namespace tenon::import::pt2
