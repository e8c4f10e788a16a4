// Pools: of windows, and of whole images.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"
#include "import/onnx/window.h"

namespace tenon::import::onnx {

using ir::Op;
using ir::ValueId;

namespace {

Result<Window> pool_window(NodeContext& node, ValueId x) {
  TENON_TRY(Window window, window_of(node, x, {}));
  TENON_TRY_DO(resolve_same(node, x, window));
  return window;
}

/// The attributes of a pool on `x`.
Result<ir::Attrs> pool_attrs(NodeContext& node, ValueId x) {
  TENON_TRY(Window window, pool_window(node, x));
  ir::Attrs attrs = window.attrs();
  attrs.set("kernel", window.kernel);
  attrs.set("ceil", node.flag("ceil_mode", false));
  return attrs;
}

Result<void> import_global(NodeContext& node, std::string_view kind) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  return node.finish(emitter.reduce(x, kind, axes_from(2, emitter.rank(x)), true));
}

}  // namespace

Result<void> import_max_pool(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ir::Attrs attrs, pool_attrs(node, x));
  TENON_TRY(ValueId maxima, node.emitter().emit(Op::kMaxPool, {x}, std::move(attrs)));
  if (node.wants_output(1)) {
    TENON_TRY(Window window, pool_window(node, x));
    TENON_TRY(ValueId places, places_of_maxima(node, x, window, maxima));
    node.set_output(1, places);
  }
  return node.finish(maxima);
}

Result<void> import_average_pool(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ir::Attrs attrs, pool_attrs(node, x));
  attrs.set("count_pads", node.flag("count_include_pad", false));
  return node.finish(node.emitter().emit(Op::kAveragePool, {x}, std::move(attrs)));
}

Result<void> import_global_average_pool(NodeContext& node) { return import_global(node, "mean"); }
Result<void> import_global_max_pool(NodeContext& node) { return import_global(node, "max"); }

namespace {

/// |x|^p before, and the p-th root after a sum.
Emitter::Operand powers(Emitter& emitter, ValueId x, int64_t p) {
  const Emitter::Operand size = emitter.emit(Op::kAbs, {x});
  return p == 1 ? size : emitter.with_number(Op::kPow, size, static_cast<double>(p));
}

Emitter::Operand root(Emitter& emitter, const Emitter::Operand& sum, int64_t p) {
  return p == 1 ? sum : emitter.with_number(Op::kPow, sum, 1.0 / static_cast<double>(p));
}

}  // namespace

Result<void> import_lp_pool(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const int64_t p = node.integer("p", 2);
  if (p < 1) return node.bad("p is less than 1");
  TENON_TRY(ir::Attrs attrs, pool_attrs(node, x));
  if (attrs.flag("ceil")) return node.unsupported("LpPool with ceil_mode");
  double taps = 1;
  for (int64_t extent : attrs.integers("kernel")) taps *= static_cast<double>(extent);
  attrs.set("count_pads", true);
  const Emitter::Operand mean =
      emitter.emit(Op::kAveragePool, {powers(emitter, x, p)}, std::move(attrs));
  return node.finish(root(emitter, emitter.with_number(Op::kMul, mean, taps), p));
}

Result<void> import_global_lp_pool(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const int64_t p = node.integer("p", 2);
  if (p < 1) return node.bad("p is less than 1");
  return node.finish(
      root(emitter,
           emitter.reduce(powers(emitter, x, p), "sum", axes_from(2, emitter.rank(x)), true), p));
}

}  // namespace tenon::import::onnx
