#include "import/pt2/node_context.h"

#include <algorithm>

#include "import/axes.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::ValueId;

std::unexpected<Error> NodeContext::bad(std::string message) const {
  return fail(ErrorKind::kBadModel, std::move(message), emitter_.where());
}

std::unexpected<Error> NodeContext::unsupported(std::string message) const {
  return fail(ErrorKind::kUnsupported, std::move(message), emitter_.where());
}

const Value& NodeContext::argument(std::string_view name) const {
  const auto found = std::ranges::find(arguments_, name, &NamedValue::name);
  TENON_CHECK(found != arguments_.end(), "importers ask for arguments of their signature");
  return found->value;
}

bool NodeContext::takes(std::string_view name) const {
  return std::ranges::find(arguments_, name, &NamedValue::name) != arguments_.end();
}

void NodeContext::wrong_kind(std::string_view name) {
  argument_error_ = bad(fmt::format("argument '{}' has the wrong kind", name)).error();
}

Result<ValueId> NodeContext::tensor(std::string_view name) const {
  const auto* tensor = argument(name).get<TensorValue>();
  if (!tensor) return bad(fmt::format("argument '{}' is no tensor", name));
  return tensor->value;
}

ValueId NodeContext::optional_tensor(std::string_view name) {
  const Value& value = argument(name);
  if (value.is_none()) return {};
  if (const auto* tensor = value.get<TensorValue>()) return tensor->value;
  wrong_kind(name);
  return {};
}

Result<std::vector<ValueId>> NodeContext::optional_tensors(std::string_view name) const {
  const auto* list = argument(name).get<std::vector<Value>>();
  if (!list) return bad(fmt::format("argument '{}' is no list of tensors", name));
  std::vector<ValueId> values;
  for (const Value& one : *list) {
    const auto* tensor = one.get<TensorValue>();
    if (!tensor && !one.is_none()) {
      return bad(fmt::format("argument '{}' is no list of tensors", name));
    }
    values.push_back(tensor ? tensor->value : ValueId());
  }
  return values;
}

Result<std::vector<ValueId>> NodeContext::tensors(std::string_view name) const {
  TENON_TRY(std::vector<ValueId> values, optional_tensors(name));
  if (values.empty() || std::ranges::count(values, ValueId()) > 0) {
    return bad(fmt::format("argument '{}' lacks tensors", name));
  }
  return values;
}

Dim NodeContext::dim(std::string_view name) {
  const Value& value = argument(name);
  if (const auto* dim = value.get<Dim>()) return *dim;
  if (const auto* flag = value.get<bool>()) return *flag ? 1 : 0;
  if (const auto* number = value.get<double>(); number && *number == static_cast<int32_t>(*number))
    return static_cast<int64_t>(*number);
  wrong_kind(name);
  return 0;
}

int64_t NodeContext::integer(std::string_view name) {
  const Dim value = dim(name);
  if (value.is_constant()) return value.value();
  argument_error_ =
      unsupported(fmt::format("argument '{}' that depends on sizes of inputs", name)).error();
  return 0;
}

double NodeContext::number(std::string_view name) {
  const Value& value = argument(name);
  if (const auto* number = value.get<double>()) return *number;
  return static_cast<double>(integer(name));
}

bool NodeContext::flag(std::string_view name) {
  if (const auto* flag = argument(name).get<bool>()) return *flag;
  return integer(name) != 0;
}

std::string NodeContext::text(std::string_view name) {
  if (const auto* text = argument(name).get<std::string>()) return *text;
  wrong_kind(name);
  return {};
}

std::vector<Dim> NodeContext::dims(std::string_view name) {
  const Value& value = argument(name);
  if (value.is_none()) return {};
  if (value.get<Dim>()) return {dim(name)};
  const auto* list = value.get<std::vector<Value>>();
  std::vector<Dim> dims;
  for (size_t i = 0; list && i < list->size(); ++i) {
    if (const auto* dim = (*list)[i].get<Dim>()) dims.push_back(*dim);
  }
  if (!list || dims.size() != list->size()) wrong_kind(name);
  return dims;
}

std::vector<int64_t> NodeContext::integers(std::string_view name) {
  std::vector<int64_t> integers;
  for (Dim dim : dims(name)) {
    if (!dim.is_constant()) {
      argument_error_ =
          unsupported(fmt::format("argument '{}' that depends on sizes of inputs", name)).error();
    }
    integers.push_back(dim.is_constant() ? dim.value() : 0);
  }
  return integers;
}

std::vector<int64_t> NodeContext::integers(std::string_view name, size_t count) {
  std::vector<int64_t> numbers = integers(name);
  if (numbers.size() == 1) numbers.resize(count, numbers.front());
  if (numbers.size() != count) {
    argument_error_ =
        bad(fmt::format("argument '{}' has {} numbers, not {}", name, numbers.size(), count))
            .error();
    numbers.resize(count, 1);
  }
  return numbers;
}

Result<ir::DType> NodeContext::dtype(std::string_view name, ir::DType otherwise) const {
  const Value& value = argument(name);
  if (value.is_none()) return otherwise;
  const auto* code = value.get<Dim>();
  if (!code || !code->is_constant()) return bad(fmt::format("'{}' is no element type", name));
  const std::optional<ir::DType> dtype = dtype_of(code->value());
  if (!dtype) return unsupported(fmt::format("elements of {}", scalar_type_name(code->value())));
  return *dtype;
}

Result<int64_t> NodeContext::axis(int64_t axis, int64_t rank) const {
  if (const auto problem = count_from_front({&axis, 1}, std::max<int64_t>(rank, 1)))
    return bad(*problem);
  return axis;
}

Result<std::vector<int64_t>> NodeContext::axes(std::vector<int64_t> axes, int64_t rank) const {
  if (const auto problem = count_from_front(axes, std::max<int64_t>(rank, 1))) return bad(*problem);
  return axes;
}

Result<void> NodeContext::finish(Emitter::Operand value) {
  TENON_TRY(ValueId result, std::move(value));
  results_.push_back({result});
  return {};
}

Result<void> NodeContext::finish_all(const std::vector<ValueId>& values) {
  for (ValueId value : values) results_.push_back({value});
  return {};
}

Result<void> NodeContext::finish_view(std::string_view name, View view) {
  const auto* base = argument(name).get<TensorValue>();
  if (!base) return bad(fmt::format("argument '{}' is no tensor", name));
  TENON_TRY(const ValueId value, view.read(base->value));
  results_.push_back({value, base->id, std::move(view)});
  return {};
}

}  // namespace tenon::import::pt2
