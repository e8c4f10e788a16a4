// Reductions along axes, and scans.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

struct Reduction {
  ValueId x;
  std::vector<int64_t> axes;
  bool keep;
};

Result<Reduction> reduction_of(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(auto given, node.axes_operand(1, node.op_type() == "ReduceSum" ? 13 : 18));
  const int64_t rank = emitter.rank(x);
  Reduction result{x, {}, node.flag("keepdims", true)};
  if (given) {
    TENON_TRY(result.axes, node.axes(given.value(), rank));
    std::ranges::sort(result.axes);
  }
  if (result.axes.empty() && !node.flag("noop_with_empty_axes", false)) {
    result.axes = axes_from(0, rank);
  }
  return result;
}

/// The reduction of `x` as it stands, or of one computed from it.
Result<void> import_kind(NodeContext& node, std::string_view kind) {
  TENON_TRY(Reduction reduction, reduction_of(node));
  // Without axes a sum of one element each is that element, but a sum of squares is not.
  if (reduction.axes.empty() && kind != "sum_square" && kind != "l1") {
    return node.finish(reduction.x);
  }
  return node.finish(node.emitter().reduce(reduction.x, kind, reduction.axes, reduction.keep));
}

}  // namespace

Result<void> import_reduce_sum(NodeContext& node) { return import_kind(node, "sum"); }
Result<void> import_reduce_mean(NodeContext& node) { return import_kind(node, "mean"); }
Result<void> import_reduce_max(NodeContext& node) { return import_kind(node, "max"); }
Result<void> import_reduce_min(NodeContext& node) { return import_kind(node, "min"); }
Result<void> import_reduce_prod(NodeContext& node) { return import_kind(node, "prod"); }
Result<void> import_reduce_sum_square(NodeContext& node) { return import_kind(node, "sum_square"); }
Result<void> import_reduce_l1(NodeContext& node) { return import_kind(node, "l1"); }

Result<void> import_reduce_l2(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(Reduction reduction, reduction_of(node));
  const DType dtype = emitter.dtype(reduction.x);
  const DType compute = is_float(dtype) ? dtype : DType::kFloat64;
  const Emitter::Operand sum = emitter.reduce(emitter.cast(reduction.x, compute), "sum_square",
                                              reduction.axes, reduction.keep);
  return node.finish(emitter.cast(emitter.emit(Op::kSqrt, {sum}), dtype));
}

Result<void> import_reduce_log_sum(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(Reduction reduction, reduction_of(node));
  return node.finish(
      emitter.emit(Op::kLog, {emitter.reduce(reduction.x, "sum", reduction.axes, reduction.keep)}));
}

Result<void> import_reduce_log_sum_exp(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(Reduction reduction, reduction_of(node));
  const auto& [x, axes, keep] = reduction;
  // Shifted by the maximum so that the powers stay finite; an infinite maximum shifts nothing.
  const Emitter::Operand greatest = emitter.reduce(x, "max", axes, true);
  if (!greatest) return std::unexpected(greatest.error());
  const Emitter::Operand is_infinite =
      emitter.emit(Op::kIsInf, {greatest}, {{"negative", true}, {"positive", true}});
  const Emitter::Operand shift =
      emitter.emit(Op::kWhere, {is_infinite, emitter.number(0, emitter.dtype(x)), greatest});
  const Emitter::Operand powers = emitter.emit(Op::kExp, {emitter.emit(Op::kSub, {x, shift})});
  const Emitter::Operand total = emitter.emit(
      Op::kAdd, {emitter.emit(Op::kLog, {emitter.reduce(powers, "sum", axes, true)}), shift});
  if (keep || !total) return node.finish(total);
  std::vector<ir::Dim> dims;
  for (int64_t i = 0; i < emitter.rank(x); ++i) {
    if (std::ranges::find(axes, i) == axes.end()) {
      dims.push_back(emitter.shape(x)[static_cast<size_t>(i)]);
    }
  }
  return node.finish(emitter.reshape(total, std::move(dims)));
}

Result<void> import_arg_reduce(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", 0), node.emitter().rank(x)));
  const std::string kind = node.op_type() == "ArgMax" ? "max" : "min";
  return node.finish(node.emitter().emit(Op::kArgReduce, {x},
                                         {{"kind", kind},
                                          {"axis", axis},
                                          {"keep", node.flag("keepdims", true)},
                                          {"last", node.flag("select_last_index", false)}}));
}

Result<void> import_scan_along(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(int64_t given, node.integer_input(1, "axes"));
  TENON_TRY(int64_t axis, node.axis(given, node.emitter().rank(x)));
  return node.finish(node.emitter().emit(node.op_type() == "CumSum" ? Op::kCumSum : Op::kCumProd,
                                         {x},
                                         {{"axis", axis},
                                          {"exclusive", node.flag("exclusive", false)},
                                          {"reverse", node.flag("reverse", false)}}));
}

Result<void> import_lp_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(int64_t axis, node.axis(node.integer("axis", -1), emitter.rank(x)));
  const bool euclidean = node.integer("p", 2) == 2;
  Emitter::Operand norm = emitter.reduce(x, euclidean ? "sum_square" : "l1", {axis}, true);
  if (euclidean) norm = emitter.emit(Op::kSqrt, {norm});
  // Zeros stay zeros.
  const Emitter::Operand divisor = emitter.emit(
      Op::kWhere,
      {emitter.with_number(Op::kEqual, norm, 0), emitter.number(1, emitter.dtype(x)), norm});
  return node.finish(emitter.emit(Op::kDiv, {x, divisor}));
}

}  // namespace tenon::import::onnx
