#include "ir/graph.h"

#include <algorithm>

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

Where Module::where(NodeId id) const {
  const OriginId from = node(id).origin;
  if (!from) return {};
  return {.node = origin(from).node, .source = origin(from).source};
}

}  // namespace tenon::ir
