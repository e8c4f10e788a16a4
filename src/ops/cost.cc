#include "ops/cost.h"

#include <algorithm>

#include "ops/meaning.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

/// Of one element of an elementwise node's result, at least one.
int64_t flops_per_element(const ir::Module& module, const ir::Node& node) {
  ir::LoopBuilder builder("meaning");
  builder.keep_as_written();
  std::vector<ir::E> operands;
  for (ir::ValueId input : node.inputs)
    operands.push_back(builder.literal(1, {ir::compute_type(module.value(input).type.dtype)}));
  build_meaning(node.op, builder, operands, node.attrs);
  int64_t count = 0;
  for (const ir::Expr& expr : builder.function().exprs) count += ir::flops(expr.kind);
  return std::max<int64_t>(count, 1);
}

}  // namespace

ir::Dim flops(ir::Module& module, const ir::Node& node) {
  ir::Dims& dims = module.dims;
  auto shape = [&](size_t operand) -> const std::vector<ir::Dim>& {
    return module.value(node.inputs[operand]).type.dims;
  };
  const std::vector<ir::Dim>& result = module.value(node.outputs[0]).type.dims;
  const ir::Dim elements = dims.product(result);
  auto twice = [&](ir::Dim products) { return dims.mul(products, 2); };
  switch (node.op) {
    case ir::Op::kMatMul: return twice(dims.mul(elements, shape(0).back()));
    case ir::Op::kConv: {
      // Taps times channels of a group: the filter's elements per output channel. Packed or not,
      // its kernel's axes are the third and what follows.
      const int64_t groups = node.attrs.integer("groups");
      ir::Dim depth = dims.floor_div(shape(0)[1], groups);
      const size_t spatial = result.size() - 2;
      for (size_t axis = 0; axis < spatial; ++axis) depth = dims.mul(depth, shape(1)[2 + axis]);
      return twice(dims.mul(elements, depth));
    }
    case ir::Op::kWinogradConv: return twice(dims.mul(elements, dims.mul(shape(0)[1], 9)));
    case ir::Op::kConvTranspose: {
      const bool packed = node.attrs.integer_or("packed", 0) > 0;
      const auto taps = std::span(shape(1)).subspan(packed ? 1 : 2, result.size() - 2);
      const ir::Dim outputs = dims.floor_div(result[1], node.attrs.integer("groups"));
      return twice(dims.mul(dims.product(shape(0)), dims.mul(outputs, dims.product(taps))));
    }
    case ir::Op::kLstm:
    case ir::Op::kGru:
    case ir::Op::kRnn: {
      const ir::Dim rows = dims.mul(shape(0)[0], shape(0)[1]);
      return twice(dims.mul(rows, dims.product(shape(2))));
    }
    case ir::Op::kAttention: {
      const ir::Dim scores = dims.mul(dims.product(std::span(shape(0)).first(3)), shape(1)[2]);
      return twice(dims.mul(scores, dims.add(shape(0)[3], shape(2)[3])));
    }
    case ir::Op::kReduce: return dims.product(shape(0));
    default: break;
  }
  if (!operator_of(node.op).traits.elementwise) return elements;
  return dims.mul(elements, flops_per_element(module, node));
}

}  // namespace tenon::ops
