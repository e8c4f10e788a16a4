#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/verify.h"

namespace tenon::ir {
namespace {

/// Kinds of graph.def in the order of AttrValue's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<AttrValue>> kKinds = {
    "int", "float", "bool", "str", "dtype", "ints", "floats", "dims", "data"};

/// Thrown at the first thing that is wrong; does not leave `verify`.
struct Problem {
  std::string text;
};

template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw Problem{fmt::format(format, std::forward<Args>(args)...)};
}

class Verifier {
 public:
  explicit Verifier(const Module& module)
      : module_(module),
        defined_(module.value_count()),
        listed_(module.node_count()),
        grouped_(module.node_count()) {}

  void check() {
    const Graph& graph = module_.graph;
    for (ValueId input : graph.inputs) {
      check_definition(input, NodeId(), 0);
    }
    for (NodeId id : graph.nodes) {
      require(id.index < listed_.size(), "the graph lists node {}, which does not exist", id.index);
      require(!listed_[id.index], "the graph lists node {} twice", id.index);
      listed_[id.index] = true;
      check_node(id);
    }
    for (ValueId output : graph.outputs) check_read(output, "the graph's outputs");
    for (const ReadSize& read : module_.read_sizes) check_read_size(read);
    require(graph.output_names.size() == graph.outputs.size(), "{} outputs have {} names",
            graph.outputs.size(), graph.output_names.size());
    check_placements();
    for (const Group& group : module_.groups) check_group(group);
  }

 private:
  void check_definition(ValueId id, NodeId producer, size_t result) {
    require(id.index < defined_.size(), "value {} does not exist", id.index);
    require(!defined_[id.index], "value {} is defined twice", id.index);
    defined_[id.index] = true;
    const Value& value = module_.value(id);
    require(value.producer == producer && value.result == result,
            "value {} does not name the node that has it as a result", id.index);
    const bool is_negative = std::ranges::any_of(
        value.type.dims, [](Dim dim) { return dim.is_constant() && dim.value() < 0; });
    if (is_negative) {
      throw Problem{fmt::format("value {} has a negative dim in {}", id.index,
                                to_string(module_.dims, value.type))};
    }
  }

  void check_read(ValueId id, std::string_view reader) {
    require(id.index < defined_.size(), "{} read a value that does not exist", reader);
    require(defined_[id.index], "{} read value {}, which is not defined before", reader, id.index);
  }

  void check_node(NodeId id) {
    const Node& node = module_.node(id);
    require(static_cast<size_t>(node.op) < op_count(), "node {} has no operator", id.index);
    const OpInfo& row = info(node.op);
    const std::string name = fmt::format("node {} ({})", id.index, row.name);
    check_operands(node, row, name);
    for (ValueId size : module_.sizes_of(id)) check_read(size, name + " for a size");
    const size_t results = node.outputs.size();
    require(row.has_variadic_results ? results > 0 : results == row.results.size(),
            "{} has {} results, not {}", name, results, row.results.size());
    for (size_t i = 0; i < node.outputs.size(); ++i) check_definition(node.outputs[i], id, i);
    check_attributes(node, row, name);
  }

  void check_operands(const Node& node, const OpInfo& row, std::string_view name) {
    const size_t known = row.operands.size();
    const bool variadic = known > 0 && row.operands.back().variadic;
    require(variadic ? node.inputs.size() >= known : node.inputs.size() == known,
            "{} has {} operands, not {}{}", name, node.inputs.size(), known,
            variadic ? " or more" : "");
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const OpInfo::Operand& operand = row.operands[std::min(i, known - 1)];
      if (!node.inputs[i]) {
        require(operand.optional, "{} lacks operand '{}'", name, operand.name);
      } else {
        check_read(node.inputs[i], name);
      }
    }
  }

  void check_attributes(const Node& node, const OpInfo& row, std::string_view name) {
    for (const auto& [key, value] : node.attrs) {
      const auto known = std::ranges::find(row.attributes, key, &OpInfo::Attribute::name);
      require(known != row.attributes.end(), "{} has an unknown attribute '{}'", name, key);
      const std::string_view kind = kKinds[value.index()];
      require(known->kind == kind, "attribute '{}' of {} is of kind {}, not {}", key, name, kind,
              known->kind);
      if (const DataId* data = std::get_if<DataId>(&value)) {
        check_data(*data, module_.value(node.outputs[0]).type, name);
      }
    }
    for (const OpInfo::Attribute& attribute : row.attributes) {
      require(attribute.optional || node.attrs.has(attribute.name), "{} lacks attribute '{}'", name,
              attribute.name);
    }
  }

  void check_data(DataId id, const TensorType& type, std::string_view name) {
    require(id.index < module_.data_count(), "{} names data that does not exist", name);
    const Data& data = module_.data(id);
    require(data.type == type && type.is_static(), "{} has another type than its data, {}", name,
            to_string(module_.dims, data.type));
    const auto bytes = static_cast<size_t>(type.element_count()) * size_of(type.dtype);
    const bool is_prepared_later = data.bytes.empty() && name.ends_with("(parameter)");
    require(data.bytes.size() == bytes || is_prepared_later, "{} has {} bytes of data, not {}",
            name, data.bytes.size(), bytes);
  }

  void check_read_size(const ReadSize& read) {
    check_read(read.value, "sizes");
    const TensorType& type = module_.value(read.value).type;
    require(type == TensorType{DType::kInt64, {}}, "the size '{}' is read from {}, not from i64[]",
            read.symbol, to_string(module_.dims, type));
    require(module_.dims.read_symbols().contains(read.symbol), "the size '{}' has no bound",
            read.symbol);
    for (ValueId input : module_.graph.inputs) {
      for (Dim dim : module_.value(input).type.dims) {
        require(!module_.dims.is_read(dim),
                "an input has a size that is read while the model runs");
      }
    }
  }

  void check_placements() {
    const std::vector<Placement>& placements = module_.placements;
    if (placements.empty()) return;
    require(placements.size() == module_.value_count(), "{} values have {} placements",
            module_.value_count(), placements.size());
    for (size_t i = 0; i < placements.size(); ++i) {
      const ValueId storage = placements[i].storage;
      if (!storage || !defined_[i]) continue;
      require(storage.index < defined_.size() && defined_[storage.index],
              "value {} lies in a value that is not defined", i);
      require(placements[storage.index].storage == storage,
              "value {} lies in value {}, which owns no storage", i, storage.index);
      require(placements[i].strides.size() == module_.value(ValueId(i)).type.rank(),
              "the placement of value {} has {} strides", i, placements[i].strides.size());
      const std::vector<int64_t>& halo = placements[i].halo;
      require(halo.empty() || halo.size() == 2 * placements[i].strides.size(),
              "the halo of value {} has {} numbers", i, halo.size());
      require(std::ranges::all_of(halo, [](int64_t width) { return width >= 0; }),
              "the halo of value {} has a negative number", i);
    }
  }

  void check_group(const Group& group) {
    require(!group.nodes.empty(), "a group has no nodes");
    for (NodeId node : group.nodes) {
      require(node.index < listed_.size() && listed_[node.index],
              "a group has node {}, which is not in the graph", node.index);
      require(!grouped_[node.index], "node {} is in two groups", node.index);
      grouped_[node.index] = true;
    }
    require(!group.anchor || std::ranges::find(group.nodes, group.anchor) != group.nodes.end(),
            "a group's anchor, node {}, is not one of its nodes", group.anchor.index);
  }

  const Module& module_;
  std::vector<bool> defined_, listed_, grouped_;
};

}  // namespace

std::string verify(const Module& module) {
  try {
    Verifier(module).check();
  } catch (const Problem& problem) {
    return problem.text;
  }
  return {};
}

}  // namespace tenon::ir
