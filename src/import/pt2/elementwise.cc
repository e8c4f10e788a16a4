// Operators whose result element depends on the operands' elements at the same index.
#include <algorithm>
#include <limits>

#include "import/pt2/operators.h"
#include "import/pt2/promotion.h"

namespace tenon::import::pt2 {

using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

std::optional<Op> elementwise_op(std::string_view name) {
  std::string of_tensors(name);
  if (name.ends_with(".Scalar")) {
    of_tensors = std::string(name.substr(0, name.rfind('.'))) + ".Tensor";
  }
  for (size_t i = 0; i < ir::op_count(); ++i) {
    const Op op = static_cast<Op>(i);
    const std::string_view aten = ir::info(op).aten;
    if (!aten.empty() && (aten == name || aten == of_tensors)) return op;
  }
  return std::nullopt;
}

/// Operators that see nothing of their operands but whether they are zero.
bool is_logical(Op op) {
  return op == Op::kAnd || op == Op::kOr || op == Op::kXor || op == Op::kNot;
}

/// The operands in their common type, or in the result's float type, in which functions of whole
/// numbers are computed.
Result<std::vector<Operand>> common(NodeContext& node, std::span<const Value> operands) {
  TENON_TRY(DType dtype, promoted_type(node, node.emitter(), operands));
  const auto& result = node.result_type();
  if (result && is_float(result->dtype) && !is_float(dtype)) dtype = result->dtype;
  std::vector<Operand> values;
  for (const Value& operand : operands) values.push_back(as_operand(node, operand, dtype));
  return values;
}

std::vector<Value> arguments(const NodeContext& node,
                             std::initializer_list<std::string_view> names) {
  std::vector<Value> values;
  for (std::string_view name : names) values.push_back(node.argument(name));
  return values;
}

/// self OP (other * alpha).
Result<void> import_sum(NodeContext& node, Op op, bool reversed) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Operand> operands, common(node, arguments(node, {"self", "other"})));
  if (reversed) std::swap(operands[0], operands[1]);
  if (const double alpha = node.number("alpha"); alpha != 1) {
    operands[1] = emitter.with_number(Op::kMul, operands[1], alpha);
  }
  return node.finish(emitter.emit(op, std::move(operands)));
}

Result<void> import_bits(NodeContext& node, Op op) {
  TENON_TRY(std::vector<Operand> operands, common(node, arguments(node, {"self", "other"})));
  return node.finish(node.emitter().emit(op, std::move(operands)));
}

}  // namespace

Result<void> import_elementwise(NodeContext& node) {
  const std::optional<Op> op = elementwise_op(node.operator_name());
  TENON_CHECK(op.has_value(), "the table found the operator by its row");
  const size_t expected = ir::info(*op).operands.size();
  if (node.argument_count() != expected) {
    return node.unsupported(
        fmt::format("{} arguments where {} belong", node.argument_count(), expected));
  }
  std::vector<Value> operands;
  for (size_t i = 0; i < expected; ++i) operands.push_back(node.argument(i));
  std::vector<Operand> values;
  if (is_logical(*op)) {
    for (const Value& operand : operands) {
      values.push_back(as_operand(node, operand, DType::kBool));
    }
  } else if (*op == Op::kWhere) {
    TENON_TRY(values, common(node, std::span(operands).subspan(1)));
    values.insert(values.begin(), as_operand(node, operands[0], DType::kBool));
  } else {
    TENON_TRY(values, common(node, operands));
  }
  return node.finish(node.emitter().emit(*op, std::move(values)));
}

Result<void> import_and(NodeContext& node) { return import_bits(node, Op::kBitAnd); }
Result<void> import_or(NodeContext& node) { return import_bits(node, Op::kBitOr); }
Result<void> import_xor(NodeContext& node) { return import_bits(node, Op::kBitXor); }

Result<void> import_add(NodeContext& node) { return import_sum(node, Op::kAdd, false); }
Result<void> import_sub(NodeContext& node) { return import_sum(node, Op::kSub, false); }
Result<void> import_rsub(NodeContext& node) { return import_sum(node, Op::kSub, true); }

}  // namespace tenon::import::pt2
