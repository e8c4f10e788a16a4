#include "import/onnx/node_context.h"

#include <algorithm>

#include "import/axes.h"
#include "import/utf8.h"
#include "ops/tensor.h"

namespace tenon::import::onnx {

using ir::ValueId;

std::unexpected<Error> NodeContext::bad(std::string message) const {
  return fail(ErrorKind::kBadModel, std::move(message), emitter_.where());
}

std::unexpected<Error> NodeContext::unsupported(std::string message) const {
  return fail(ErrorKind::kUnsupported, std::move(message), emitter_.where());
}

Result<ValueId> NodeContext::input(size_t i) const {
  if (is_list(i)) return bad(fmt::format("operand {} is a list, not a tensor", i));
  if (!has_input(i)) return bad(fmt::format("operand {} is missing", i));
  return inputs_[i].value;
}

Result<List> NodeContext::list_input(size_t i) const {
  if (!is_list(i)) return bad(fmt::format("operand {} is no list", i));
  return *inputs_[i].list;
}

Result<std::vector<Emitter::Operand>> NodeContext::all_inputs() const {
  if (inputs_.empty()) return bad("has no operands");
  std::vector<Emitter::Operand> operands;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    TENON_TRY(ValueId value, input(i));
    operands.emplace_back(value);
  }
  return operands;
}

Result<std::vector<ir::Dim>> NodeContext::dims_input(size_t i, std::string_view what) const {
  TENON_TRY(ValueId value, input(i));
  auto elements = emitter_.elements(value);
  if (!elements) {
    return unsupported(
        fmt::format("{} with {} that depend on the data of inputs", op_type(), what));
  }
  return *std::move(elements);
}

Result<std::vector<int64_t>> NodeContext::integers_input(size_t i, std::string_view what) const {
  TENON_TRY(ValueId value, input(i));
  auto integers = emitter_.integers(value);
  if (!integers) {
    return unsupported(fmt::format("{} with {} that are not constant", op_type(), what));
  }
  return *std::move(integers);
}

Result<int64_t> NodeContext::integer_input(size_t i, std::string_view what) const {
  TENON_TRY(std::vector<int64_t> integers, integers_input(i, what));
  if (integers.size() != 1) {
    return bad(fmt::format("{} has {} elements where one belongs", what, integers.size()));
  }
  return integers.front();
}

Result<std::vector<double>> NodeContext::numbers_input(size_t i, std::string_view what) const {
  TENON_TRY(ValueId value, input(i));
  const ir::Data* data = emitter_.module().constant(value);
  if (!data) return unsupported(fmt::format("{} with {} that are not constant", op_type(), what));
  std::vector<int64_t> extents;
  for (ir::Dim dim : data->type.dims) extents.push_back(dim.value());
  const auto tensor = ops::Tensor::borrow(data->type.dtype, extents, data->bytes);
  std::vector<double> numbers;
  for (int64_t k = 0; k < tensor.count(); ++k) numbers.push_back(tensor.number(k));
  return numbers;
}

bool NodeContext::has_attribute(std::string_view name) const {
  return std::ranges::find(attributes_, name, &AttributeList::value_type::first) !=
         attributes_.end();
}

const Attribute* NodeContext::find(std::string_view name, AttributeType type) {
  const auto entry = std::ranges::find(attributes_, name, &AttributeList::value_type::first);
  if (entry == attributes_.end()) return nullptr;
  if (entry->second->type != type) {
    attribute_error_ = bad(fmt::format("attribute '{}' has the wrong type", name)).error();
    return nullptr;
  }
  return entry->second;
}

std::optional<int64_t> NodeContext::integer(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kInt);
  return attribute ? std::optional(attribute->integer) : std::nullopt;
}

int64_t NodeContext::integer(std::string_view name, int64_t otherwise) {
  return integer(name).value_or(otherwise);
}

std::optional<double> NodeContext::number(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kFloat);
  return attribute ? std::optional<double>(attribute->number) : std::nullopt;
}

std::optional<double> NodeContext::any_number(std::string_view name) {
  const auto found = std::ranges::find(attributes_, name, &AttributeList::value_type::first);
  if (found == attributes_.end() || found->second->type != AttributeType::kInt) return number(name);
  return static_cast<double>(found->second->integer);
}

std::string NodeContext::text(std::string_view name, std::string_view otherwise) {
  const Attribute* attribute = find(name, AttributeType::kString);
  if (!attribute) return std::string(otherwise);
  if (is_utf8(attribute->text)) return std::string(attribute->text);
  attribute_error_ = bad(fmt::format("attribute '{}' is not UTF-8", name)).error();
  return std::string(otherwise);
}

std::optional<std::vector<int64_t>> NodeContext::integers(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kInts);
  return attribute ? std::optional(attribute->integers) : std::nullopt;
}

std::optional<std::vector<double>> NodeContext::numbers(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kFloats);
  if (!attribute) return std::nullopt;
  return std::vector<double>(attribute->numbers.begin(), attribute->numbers.end());
}

std::optional<std::vector<std::string>> NodeContext::texts(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kStrings);
  if (!attribute) return std::nullopt;
  if (!std::ranges::all_of(attribute->texts, is_utf8)) {
    attribute_error_ = bad(fmt::format("attribute '{}' is not UTF-8", name)).error();
    return std::nullopt;
  }
  return std::vector<std::string>(attribute->texts.begin(), attribute->texts.end());
}

const Tensor* NodeContext::tensor(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kTensor);
  return attribute ? attribute->tensor.get() : nullptr;
}

const Graph* NodeContext::body(std::string_view name) {
  const Attribute* attribute = find(name, AttributeType::kGraph);
  return attribute ? attribute->graph.get() : nullptr;
}

Result<ir::DType> NodeContext::dtype(std::string_view name, ir::DType otherwise) {
  const std::optional<int64_t> number = integer(name);
  if (!number) return otherwise;
  const auto code = static_cast<int32_t>(std::clamp<int64_t>(*number, -1, INT32_MAX));
  const std::optional<ir::DType> dtype = dtype_of(code);
  if (!dtype) return unsupported(fmt::format("{} to {}", op_type(), data_type_name(code)));
  return *dtype;
}

Result<int64_t> NodeContext::axis(int64_t axis, int64_t rank) const {
  if (const auto problem = count_from_front({&axis, 1}, rank)) return bad(*problem);
  return axis;
}

Result<std::vector<int64_t>> NodeContext::axes(std::vector<int64_t> axes, int64_t rank) const {
  if (const auto problem = count_from_front(axes, rank)) return bad(*problem);
  return axes;
}

Result<std::optional<std::vector<int64_t>>> NodeContext::axes_operand(size_t i, int64_t since) {
  if (opset_ < since) return integers("axes");
  if (!has_input(i)) return std::nullopt;
  TENON_TRY(std::vector<int64_t> axes, integers_input(i, "axes"));
  return axes;
}

void NodeContext::set_output(size_t i, ValueId value) {
  if (i < outputs_.size()) outputs_[i] = {.value = value, .list = nullptr};
}

void NodeContext::set_list(size_t i, List list) {
  if (i < outputs_.size()) {
    outputs_[i] = {.value = {}, .list = std::make_shared<const List>(std::move(list))};
  }
}

Result<void> NodeContext::finish(Emitter::Operand value) {
  TENON_TRY(ValueId result, std::move(value));
  set_output(0, result);
  return {};
}

}  // namespace tenon::import::onnx
