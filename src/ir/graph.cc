#include "ir/graph.h"

#include <algorithm>
#include <string>

#include "base/contains.h"
#include "ir/element.h"

namespace tenon::ir {

bool TensorType::is_static() const { return std::ranges::all_of(dims, &Dim::is_constant); }

int64_t TensorType::element_count() const {
  std::vector<int64_t> sizes;
  for (Dim dim : dims) {
    TENON_CHECK(dim.is_constant(), "a static type");
    sizes.push_back(dim.value());
  }
  const std::optional<int64_t> count = checked_product(sizes);
  TENON_CHECK(count.has_value(), "a number of elements within 64 bits");
  return *count;
}

ValueId Module::add_input(TensorType type, std::string name) {
  const ValueId id(values_.size());
  values_.push_back({std::move(type), {}, 0, std::move(name)});
  graph.inputs.push_back(id);
  return id;
}

NodeId Module::make_node(Op op, std::vector<ValueId> inputs, Attrs attrs,
                         std::vector<TensorType> types, OriginId origin) {
  const std::vector<OpInfo::Operand>& operands = info(op).operands;
  while (inputs.size() < operands.size() && operands[inputs.size()].optional) {
    inputs.emplace_back();
  }
  const NodeId id(nodes_.size());
  Node node{op, std::move(inputs), {}, std::move(attrs), origin};
  for (TensorType& type : types) {
    node.outputs.emplace_back(values_.size());
    values_.push_back({std::move(type), id, static_cast<uint32_t>(node.outputs.size() - 1), {}});
  }
  nodes_.push_back(std::move(node));
  return id;
}

DataId Module::add_data(Data data) {
  data_.push_back(std::move(data));
  return DataId(data_.size() - 1);
}

DataId Module::add_owned_data(TensorType type, std::span<const std::byte> bytes, std::string name) {
  const auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  keep_alive(copy);
  return add_data({std::move(type), *copy, std::move(name)});
}

OriginId Module::add_origin(Origin origin) {
  origins_.push_back(std::move(origin));
  return OriginId(origins_.size() - 1);
}

bool Module::is(ValueId value, Op op) const {
  return value && producer(value) && node(producer(value)).op == op;
}

const Data* Module::constant(ValueId value) const {
  return is(value, Op::kConstant) ? &data(node(producer(value)).attrs.data("data")) : nullptr;
}

std::optional<double> Module::scalar(ValueId value) const {
  const Data* data = constant(value);
  if (data == nullptr || data->type.element_count() != 1) return std::nullopt;
  return element_number(data->type.dtype, data->bytes.data());
}

Dim Module::read_size(ValueId value, Dim largest) {
  const auto in_use = [this](const std::string& symbol) {
    return dims.read_symbols().contains(symbol) ||
           std::ranges::any_of(graph.inputs, [&](ValueId input) {
             return std::ranges::any_of(this->value(input).type.dims, [&](Dim dim) {
               return contains(dims.symbols(dim), symbol);
             });
           });
  };
  std::string symbol;
  for (size_t i = 0; symbol.empty() || in_use(symbol); ++i) symbol = "u" + std::to_string(i);
  dims.read(symbol, largest);
  read_sizes.push_back({symbol, value});
  return dims.symbol(symbol);
}

std::vector<ValueId> Module::sizes_of(NodeId id) const {
  std::vector<ValueId> values;
  if (read_sizes.empty()) return values;
  const auto add = [&](Dim dim) {
    for (const std::string& symbol : dims.symbols(dim)) {
      const auto read = std::ranges::find(read_sizes, symbol, &ReadSize::symbol);
      if (read != read_sizes.end()) values.push_back(read->value);
    }
  };
  for (ValueId output : node(id).outputs) {
    std::ranges::for_each(value(output).type.dims, add);
    for (const ReadSize& read : read_sizes) {
      if (read.value == output) add(dims.read_symbols().at(read.symbol));
    }
  }
  for (const auto& [name, attribute] : node(id).attrs) {
    if (const auto* list = std::get_if<std::vector<Dim>>(&attribute)) {
      std::ranges::for_each(*list, add);
    }
  }
  return values;
}

Where Module::where(NodeId id) const {
  const OriginId from = node(id).origin;
  if (!from) return {};
  return {.node = origin(from).node, .source = origin(from).source};
}

}  // namespace tenon::ir
