// Operators that read or write at indices which are data.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

Result<void> import_along_axis(NodeContext& node, Op op) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId places, node.input(1));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 0), node.emitter().rank(x)));
  return node.finish(node.emitter().emit(op, {x, places}, {{"axis", axis}}));
}

Result<std::string> reduction_of(NodeContext& node) {
  std::string reduction = node.text("reduction", "none");
  for (std::string_view known : {"none", "add", "mul", "max", "min"}) {
    if (reduction == known) return reduction;
  }
  return node.bad(fmt::format("reduction '{}' is none of {}", reduction, node.op_type()));
}

}  // namespace

Result<void> import_gather(NodeContext& node) { return import_along_axis(node, Op::kGather); }

Result<void> import_gather_elements(NodeContext& node) {
  return import_along_axis(node, Op::kGatherElements);
}

Result<void> import_gather_nd(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId places, node.input(1));
  return node.finish(node.emitter().emit(Op::kGatherNd, {x, places},
                                         {{"batch_dims", node.integer("batch_dims", 0)}}));
}

Result<void> import_scatter_elements(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId places, node.input(1));
  TENON_TRY(ValueId updates, node.input(2));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 0), node.emitter().rank(x)));
  TENON_TRY(std::string reduction, reduction_of(node));
  return node.finish(node.emitter().emit(Op::kScatterElements, {x, places, updates},
                                         {{"axis", axis}, {"reduction", reduction}}));
}

Result<void> import_scatter_nd(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId places, node.input(1));
  TENON_TRY(ValueId updates, node.input(2));
  TENON_TRY(std::string reduction, reduction_of(node));
  return node.finish(
      node.emitter().emit(Op::kScatterNd, {x, places, updates}, {{"reduction", reduction}}));
}

Result<void> import_one_hot(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId places, node.input(0));
  TENON_TRY(std::vector<Dim> depths, node.dims_input(1, "depths"));
  TENON_TRY(ValueId values, node.input(2));
  if (depths.size() != 1) return node.bad("the depth is not one number");
  const Dim depth = depths[0];
  TENON_TRY_DO(check_extents(node, depths));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", -1), emitter.rank(places) + 1));
  std::vector<Dim> one_wide = emitter.shape(places);
  one_wide.insert(one_wide.begin() + axis, 1);
  std::vector<Dim> column(one_wide.size(), 1);
  column[static_cast<size_t>(axis)] = depth;

  TENON_TRY(ValueId size, emitter.from_elements({DType::kInt64, {}}, {depth}));
  const Emitter::Operand given = emitter.reshape(emitter.cast(places, DType::kInt64), one_wide);
  const Emitter::Operand from_front = emitter.emit(
      Op::kWhere,
      {emitter.with_number(Op::kLess, given, 0), emitter.emit(Op::kAdd, {given, size}), given});
  const Emitter::Operand is_there =
      emitter.emit(Op::kEqual, {from_front, emitter.reshape(indices(emitter, depth), column)});
  const auto value = [&](int64_t i) {
    return emitter.reshape(emitter.slice(values, 0, i, i + 1), {});
  };
  return node.finish(emitter.emit(Op::kWhere, {is_there, value(1), value(0)}));
}

Result<void> import_top_k(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  std::vector<Dim> k = {node.integer("k", 0)};
  if (node.opset() >= 10) {
    TENON_TRY(k, node.dims_input(1, "counts"));
  }
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", -1), emitter.rank(x)));
  TENON_TRY(std::vector<ValueId> results,
            emitter.emit_all(
                Op::kTopK, {x},
                {{"k", std::move(k)}, {"axis", axis}, {"largest", node.flag("largest", true)}}));
  node.set_output(0, results[0]);
  node.set_output(1, results[1]);
  return {};
}

}  // namespace tenon::import::onnx
