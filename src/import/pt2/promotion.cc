#include "import/pt2/promotion.h"

#include <algorithm>
#include <optional>

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;

namespace {

int category(DType dtype) { return dtype == DType::kBool ? 0 : is_float(dtype) ? 2 : 1; }

}  // namespace

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (category(a) != category(b)) return category(a) > category(b) ? a : b;
  if (size_of(a) == size_of(b) && is_float(a)) return DType::kFloat32;  // f16 and bf16
  if (is_float(a) || is_signed(a) == is_signed(b)) return size_of(a) > size_of(b) ? a : b;
  const DType whole = is_signed(a) ? a : b;
  const DType natural = is_signed(a) ? b : a;
  if (size_of(whole) > size_of(natural)) return whole;
  switch (size_of(natural)) {
    case 1: return DType::kInt16;
    case 2: return DType::kInt32;
    default: return DType::kInt64;
  }
}

Result<DType> promoted_type(const NodeContext& node, Emitter& emitter,
                            std::span<const Value> operands) {
  // Tensors with axes, tensors without, and numbers.
  std::optional<DType> ranks[3];
  for (const Value& operand : operands) {
    size_t rank = 2;
    DType dtype = DType::kInt64;
    if (const auto* tensor = operand.get<TensorValue>()) {
      dtype = emitter.dtype(tensor->value);
      rank = emitter.rank(tensor->value) > 0 ? 0 : 1;
    } else if (operand.get<double>()) {
      dtype = DType::kFloat32;
    } else if (operand.get<bool>()) {
      dtype = DType::kBool;
    } else if (!operand.get<Dim>()) {
      return node.bad("an operand is neither tensor nor number");
    }
    ranks[rank] = ranks[rank] ? promote(*ranks[rank], dtype) : dtype;
  }
  std::optional<DType> result;
  for (const std::optional<DType>& next : ranks) {
    if (!next) continue;
    if (!result || category(*next) > category(*result)) result = next;
  }
  if (!result) return node.bad("has no operands");
  return *result;
}

Emitter::Operand as_operand(NodeContext& node, const Value& value, DType dtype) {
  Emitter& emitter = node.emitter();
  if (const auto* tensor = value.get<TensorValue>()) return emitter.cast(tensor->value, dtype);
  if (const auto* number = value.get<double>()) return emitter.number(*number, dtype);
  if (const auto* flag = value.get<bool>()) return emitter.number(*flag ? 1 : 0, dtype);
  const auto* size = value.get<Dim>();
  if (!size) return node.bad("an operand is neither tensor nor number");
  if (is_float(dtype) && size->is_constant()) {
    return emitter.number(static_cast<double>(size->value()), dtype);
  }
  return emitter.cast(emitter.from_elements({DType::kInt64, {}}, {*size}), dtype);
}

}  // namespace tenon::import::pt2
