#include <algorithm>
#include <array>
#include <unordered_map>

#include "ir/graph.h"

namespace tenon::ir {
namespace {

struct Row {
  std::string_view name, signature;
  bool elementwise;
  std::string_view meaning, onnx, aten;
};

constexpr std::array kRows = {
#define OP(name, text, signature) Row{text, signature, false, {}, {}, {}},
#define ELEMENTWISE(name, text, signature, meaning, onnx, aten) \
  Row{text, signature, true, meaning, onnx, aten},
#include "ir/graph.def"
};

/// Takes the text up to `separator` (or all of it) off the front of `text`.
std::string_view take(std::string_view& text, std::string_view separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + separator.size(), text.size()));
  return front;
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

/// Removes `suffix` from the end of `text` and says whether it was there.
bool drop_suffix(std::string_view& text, char suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(1);
  return true;
}

OpInfo parse(const Row& row) {
  OpInfo info{.name = row.name,
              .operands = {},
              .attributes = {},
              .results = {},
              .elementwise = row.elementwise,
              .meaning = row.meaning,
              .onnx = row.onnx,
              .aten = row.aten};
  std::string_view results = row.signature;
  std::string_view attributes = take(results, "->");
  std::string_view operands = take(attributes, ";");
  while (!(operands = trimmed(operands)).empty()) {
    std::string_view name = trimmed(take(operands, ","));
    const bool optional = drop_suffix(name, '?');
    const bool variadic = drop_suffix(name, '*');
    info.operands.push_back({std::string(name), optional, variadic});
  }
  while (!(attributes = trimmed(attributes)).empty()) {
    std::string_view kind = take(attributes, " ");
    const std::string_view name = take(kind, ":");
    const bool optional = drop_suffix(kind, '?');
    info.attributes.push_back({std::string(name), std::string(kind), optional});
  }
  while (!(results = trimmed(results)).empty()) {
    std::string_view name = trimmed(take(results, ","));
    info.has_variadic_results |= drop_suffix(name, '*');
    info.results.emplace_back(name);
  }
  if (info.results.empty()) info.results.emplace_back("result");
  return info;
}

}  // namespace

const OpInfo& info(Op op) {
  static const std::vector<OpInfo> infos = [] {
    std::vector<OpInfo> all;
    std::ranges::transform(kRows, std::back_inserter(all), parse);
    return all;
  }();
  return infos[static_cast<size_t>(op)];
}

std::optional<Op> find_op(std::string_view text) {
  static const std::unordered_map<std::string_view, Op> ops = [] {
    std::unordered_map<std::string_view, Op> all;
    for (size_t i = 0; i < kRows.size(); ++i) all.emplace(kRows[i].name, static_cast<Op>(i));
    return all;
  }();
  const auto entry = ops.find(text);
  return entry == ops.end() ? std::nullopt : std::optional(entry->second);
}

size_t op_count() { return kRows.size(); }

}  // namespace tenon::ir
