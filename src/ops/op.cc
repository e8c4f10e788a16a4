#include "ops/op.h"

#include <fmt/format.h>

#include <optional>

#include "ops/shape.h"

namespace tenon::ops {

#define OP(name, text, signature) \
  template <>                     \
  Operator define<ir::Op::name>();
#include "ir/graph.def"

namespace {

std::string describe(const ir::Module& module, ir::Op op, std::span<const ir::ValueId> inputs,
                     std::string_view problem) {
  std::string operands;
  for (ir::ValueId input : inputs) {
    if (!operands.empty()) operands += ", ";
    operands += input ? ir::to_string(module.dims, module.value(input).type) : "none";
  }
  return fmt::format("{}({}): {}", ir::info(op).name, operands, problem);
}

void check_operand_count(ir::Op op, std::span<const ir::ValueId> inputs) {
  const ir::OpInfo& row = ir::info(op);
  size_t most = row.operands.size();
  bool variadic = most > 0 && row.operands.back().variadic;
  bool fits = inputs.size() <= most || variadic;
  for (size_t i = 0; i < most; ++i) {
    fits = fits && (row.operands[i].optional || (i < inputs.size() && inputs[i]));
  }
  TENON_CHECK(fits, fmt::format("operands of {} as its row says", row.name));
}

Where where_of(const ir::Module& module, ir::OriginId origin) {
  if (!origin) return {};
  return {.file = {}, .node = module.origin(origin).node, .source = module.origin(origin).source};
}

/// Whether no size is negative and their product is one that arithmetic on strides and bytes can
/// hold.
bool has_sane_size(const ir::TensorType& type) {
  constexpr int64_t kMostElements = int64_t{1} << 48;
  std::vector<int64_t> extents;
  for (ir::Dim dim : type.dims) {
    if (dim.is_constant()) extents.push_back(std::max<int64_t>(dim.value(), 1));
    if (dim.is_constant() && dim.value() < 0) return false;
  }
  const std::optional<int64_t> count = ir::checked_product(extents);
  return count && *count <= kMostElements;
}

}  // namespace

const Operator& operator_of(ir::Op op) {
  static const Operator table[] = {
#define OP(name, text, signature) define<ir::Op::name>(),
#include "ir/graph.def"
  };
  return table[static_cast<size_t>(op)];
}

Result<ir::NodeId> add_node(ir::Module& module, ir::Op op, std::vector<ir::ValueId> inputs,
                            ir::Attrs attrs, ir::OriginId origin) {
  const Operator& meaning = operator_of(op);
  check_operand_count(op, inputs);
  std::vector<ir::TensorType> types;
  if (meaning.traits.leaf) {
    types.push_back(module.data(attrs.data("data")).type);
  } else {
    std::vector<const ir::TensorType*> operands;
    for (ir::ValueId input : inputs) {
      operands.push_back(input ? &module.value(input).type : nullptr);
    }
    operands.resize(std::max(operands.size(), ir::info(op).operands.size()), nullptr);
    InferContext context{module.dims, attrs, operands};
    Inferred inferred = meaning.infer(context);
    if (!inferred) {
      return fail(ErrorKind::kBadShape, describe(module, op, inputs, inferred.error()),
                  where_of(module, origin));
    }
    types = std::move(*inferred);
  }
  for (const ir::TensorType& type : types) {
    if (has_sane_size(type)) continue;
    return fail(ErrorKind::kBadShape,
                describe(module, op, inputs,
                         fmt::format("the result {} is beyond any limit",
                                     ir::to_string(module.dims, type))),
                where_of(module, origin));
  }
  ir::NodeId node =
      module.make_node(op, std::move(inputs), std::move(attrs), std::move(types), origin);
  module.graph.nodes.push_back(node);
  return node;
}

Result<ir::ValueId> add(ir::Module& module, ir::Op op, std::vector<ir::ValueId> inputs,
                        ir::Attrs attrs, ir::OriginId origin) {
  TENON_TRY(ir::NodeId node, add_node(module, op, std::move(inputs), std::move(attrs), origin));
  const std::vector<ir::ValueId>& outputs = module.node(node).outputs;
  TENON_CHECK(outputs.size() == 1, "an operator with one result");
  return outputs.front();
}

ir::ValueId add_constant(ir::Module& module, const Tensor& tensor, ir::OriginId origin) {
  ir::TensorType type{tensor.dtype(), {tensor.shape().begin(), tensor.shape().end()}};
  ir::DataId data = module.add_owned_data(type, {tensor.bytes(), tensor.byte_count()});
  ir::NodeId node = module.make_node(ir::Op::kConstant, {}, {{"data", data}}, {type}, origin);
  module.graph.nodes.push_back(node);
  return module.node(node).outputs.front();
}

std::expected<std::vector<ir::Dim>, std::string> broadcast(
    std::span<const std::vector<ir::Dim>> shapes, ir::Dims& dims) {
  size_t rank = 0;
  for (const auto& shape : shapes) rank = std::max(rank, shape.size());
  std::vector<ir::Dim> result(rank, 1);
  for (const auto& shape : shapes) {
    for (size_t i = 0; i < shape.size(); ++i) {
      ir::Dim& target = result[rank - shape.size() + i];
      if (target == shape[i] || shape[i].is(1)) continue;
      const std::optional<ir::Dim> both =
          target.is(1) ? std::optional(shape[i]) : dims.unify(target, shape[i]);
      if (!both) {
        return wrong("shapes {} do not broadcast: {} against {}", shapes_text(dims, shapes),
                     dims.to_string(target), dims.to_string(shape[i]));
      }
      target = *both;
    }
  }
  return result;
}

}  // namespace tenon::ops
