#include "ir/graph_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <unordered_map>

#include "ir/element_text.h"
#include "ir/text_cursor.h"

namespace tenon::ir {
namespace {

constexpr size_t kMaxInlineElements = 16;

template <class List, class ToText>
std::string joined(const List& list, ToText to_text) {
  std::vector<std::string> texts;
  for (const auto& item : list) texts.push_back(to_text(item));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string dims_text(const Dims& dims, const std::vector<Dim>& list) {
  return fmt::format("[{}]", joined(list, [&](Dim dim) { return dims.to_string(dim); }));
}

std::string number_text(double number) {
  return element_text(DType::kFloat64, reinterpret_cast<const std::byte*>(&number));
}

/// `text` in quotes behind a space, or nothing when there is no text.
std::string label(std::string_view text) {
  return text.empty() ? "" : fmt::format(" {}", quoted(text));
}

std::string symbol_text(const std::string& symbol) {
  return is_word(symbol) ? symbol : quoted(symbol);
}

bool is_prepared_later(const Data& data) {
  return data.bytes.empty() && std::ranges::find(data.type.dims, Dim(0)) == data.type.dims.end();
}

bool prints_as_hash(const Data& data) {
  return data.bytes.size() > kMaxInlineElements * static_cast<size_t>(size_of(data.type.dtype));
}

class Printer {
 public:
  explicit Printer(const Module& module) : module_(module) {}

  std::string print() {
    const Graph& graph = module_.graph;
    out_ = fmt::format("module {} ", quoted(module_.name));
    if (!graph.name.empty()) out_ += fmt::format("graph {} ", quoted(graph.name));
    out_ += "{\n";
    for (ValueId input : graph.inputs) line("input {}", definition(input));
    for (NodeId node : graph.nodes) print_node(module_.node(node));
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      const bool has_name = i < graph.output_names.size();
      line("output {}{}", reference(graph.outputs[i]),
           label(has_name ? graph.output_names[i] : ""));
    }
    // By number, which is the order of the definitions; a value without one is dead.
    for (const ValueId value : by_number_) print_placement(value);
    for (const Group& group : module_.groups) print_group(group);
    for (const ReadSize& read : module_.read_sizes) {
      line("size {} = {} at most {}", symbol_text(read.symbol), reference(read.value),
           module_.dims.to_string(module_.dims.read_symbols().at(read.symbol)));
    }
    // Last, so that a dim made before its symbol was limited reads back as it was.
    for (const auto& [symbol, largest] : module_.dims.limits()) {
      line("limit {} {}", symbol_text(symbol), largest);
    }
    return out_ + "}\n";
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format("  {}\n", fmt::format(format, std::forward<Args>(args)...));
  }

  std::string reference(ValueId value) {
    if (!value) return "_";
    const auto [entry, is_new] = numbers_.try_emplace(value, by_number_.size());
    if (is_new) by_number_.push_back(value);
    return fmt::format("%{}", entry->second);
  }

  std::string first_result(NodeId node) { return reference(module_.node(node).outputs.at(0)); }

  std::string definition(ValueId id) {
    const Value& value = module_.value(id);
    return fmt::format("{}{}: {}", reference(id), label(value.name),
                       to_string(module_.dims, value.type));
  }

  void print_node(const Node& node) {
    const auto operand = [this](ValueId value) { return reference(value); };
    const std::string inputs = joined(node.inputs, operand);
    const std::string results =
        joined(node.outputs, [this](ValueId value) { return definition(value); });
    line("{} = {}({}){}{}", results, info(node.op).name, inputs, attrs_text(node.attrs),
         origin_text(node.origin));
  }

  std::string attrs_text(const Attrs& attrs) {
    if (attrs.begin() == attrs.end()) return "";
    return fmt::format(" {{{}}}", joined(attrs, [this](const auto& entry) {
                         const auto to_text = [&](const auto& value) { return text(value); };
                         return fmt::format("{} = {}", entry.first,
                                            std::visit(to_text, entry.second));
                       }));
  }

  std::string origin_text(OriginId id) {
    if (!id) return "";
    const Origin& origin = module_.origin(id);
    return fmt::format(" from {}{}", quoted(origin.node), label(origin.source));
  }

  std::string text(int64_t value) { return fmt::to_string(value); }
  std::string text(double value) { return number_text(value); }
  std::string text(bool value) { return value ? "true" : "false"; }
  std::string text(const std::string& value) { return quoted(value); }
  std::string text(DType value) { return std::string(to_string(value)); }
  std::string text(const std::vector<int64_t>& list) {
    return fmt::format("[{}]", fmt::join(list, ", "));
  }
  std::string text(const std::vector<double>& list) {
    return fmt::format("[{}]", joined(list, number_text));
  }
  std::string text(const std::vector<Dim>& list) { return dims_text(module_.dims, list); }
  std::string text(DataId id) {
    const Data& data = module_.data(id);
    return data_text(data) + label(data.name);
  }

  std::string data_text(const Data& data) {
    const size_t size = size_of(data.type.dtype);
    if (is_prepared_later(data)) return "_";
    if (prints_as_hash(data)) return fmt::format("@{}", data_hash(data));
    std::vector<std::string> elements;
    for (size_t i = 0; i + size <= data.bytes.size(); i += size) {
      elements.push_back(element_text(data.type.dtype, &data.bytes[i]));
    }
    return fmt::format("[{}]", fmt::join(elements, ", "));
  }

  void print_placement(ValueId value) {
    if (value.index >= module_.placements.size()) return;
    const Placement& placement = module_.placements[value.index];
    if (!placement.storage) return;
    const Dims& dims = module_.dims;
    std::string facts = fmt::format("offset = {}", dims.to_string(placement.offset));
    if (!placement.size.is(0)) facts += fmt::format(", size = {}", dims.to_string(placement.size));
    facts += fmt::format(", strides = {}", dims_text(dims, placement.strides));
    if (!placement.halo.empty()) {
      facts += fmt::format(", halo = [{}]", fmt::join(placement.halo, ", "));
    }
    const bool is_owner = placement.storage == value;
    const std::string owner = is_owner ? "" : fmt::format(" in {}", reference(placement.storage));
    line("place {}{} {{{}}}", reference(value), owner, facts);
  }

  void print_group(const Group& group) {
    const auto name = [this](NodeId node) { return first_result(node); };
    const std::string anchor =
        group.anchor ? fmt::format(" anchor {}", first_result(group.anchor)) : "";
    line("group [{}]{}", joined(group.nodes, name), anchor);
  }

  const Module& module_;
  std::unordered_map<ValueId, size_t> numbers_;
  std::vector<ValueId> by_number_;
  std::string out_;
};

}  // namespace

std::vector<ValueId> defined_values(const Module& module) {
  std::vector<ValueId> values = module.graph.inputs;
  for (NodeId node : module.graph.nodes) {
    const std::vector<ValueId>& outputs = module.node(node).outputs;
    values.insert(values.end(), outputs.begin(), outputs.end());
  }
  return values;
}

std::vector<DataId> hashed_data(const Module& module) {
  std::vector<DataId> found;
  for (NodeId node : module.graph.nodes) {
    for (const auto& [name, attribute] : module.node(node).attrs) {
      const DataId* data = std::get_if<DataId>(&attribute);
      if (data != nullptr && prints_as_hash(module.data(*data))) found.push_back(*data);
    }
  }
  return found;
}

std::string data_hash(const Data& data) {
  return fmt::format("{:016x}", XXH64(data.bytes.data(), data.bytes.size(), 0));
}

std::string to_string(const Dims& dims, const TensorType& type) {
  return fmt::format("{}{}", to_string(type.dtype), dims_text(dims, type.dims));
}

std::string to_string(const Module& module) { return Printer(module).print(); }

}  // namespace tenon::ir
