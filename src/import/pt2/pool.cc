// Pools: of windows, and to a size.
#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"
#include "import/pt2/window.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The spatial axes that the operator's name says: "max_pool2d" has 2.
size_t spatial_axes(const NodeContext& node) {
  const std::string_view name = node.operator_name();
  const size_t at = name.find_first_of("123");
  TENON_CHECK(at != std::string_view::npos, "names of pools say how many axes they have");
  return static_cast<size_t>(name[at] - '0');
}

Result<Window> window_of(NodeContext& node, size_t axes, bool has_dilation) {
  Window window;
  window.kernel = node.integers("kernel_size", axes);
  window.strides = node.integers("stride").empty() ? window.kernel : node.integers("stride", axes);
  window.set_pads(node.integers("padding", axes));
  window.dilations = has_dilation ? node.integers("dilation", axes) : std::vector<int64_t>(axes, 1);
  TENON_TRY_DO(check_window(node, window));
  return window;
}

Result<Operand> max_pool(NodeContext& node) {
  const size_t axes = spatial_axes(node);
  TENON_TRY(ValueId given, node.tensor("self"));
  TENON_TRY(ValueId x, with_batch(node, given, axes));
  TENON_TRY(Window window, window_of(node, axes, true));
  ir::Attrs attrs = window.attrs();
  attrs.set("kernel", window.kernel);
  attrs.set("ceil", node.flag("ceil_mode"));
  return without_batch(node, node.emitter().emit(Op::kMaxPool, {x}, std::move(attrs)), given, axes);
}

}  // namespace

Result<void> import_max_pool(NodeContext& node) {
  TENON_TRY(Operand maxima, max_pool(node));
  return node.finish(std::move(maxima));
}

Result<void> import_average_pool(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const size_t axes = spatial_axes(node);
  TENON_TRY(ValueId given, node.tensor("self"));
  TENON_TRY(ValueId x, with_batch(node, given, axes));
  TENON_TRY(Window window, window_of(node, axes, false));
  ir::Attrs attrs = window.attrs();
  const bool divides = axes > 1 && node.has("divisor_override");
  const bool ceil = node.flag("ceil_mode");
  if (divides && ceil) return node.unsupported("divisor_override with ceil_mode");
  attrs.set("kernel", window.kernel);
  attrs.set("ceil", ceil);
  attrs.set("count_pads", divides || node.flag("count_include_pad"));
  Operand mean = emitter.emit(Op::kAveragePool, {x}, std::move(attrs));
  if (divides) {
    double taps = 1;
    for (int64_t extent : window.kernel) taps *= static_cast<double>(extent);
    mean = emitter.with_number(Op::kMul, mean, taps / node.number("divisor_override"));
  }
  return node.finish(without_batch(node, std::move(mean), given, axes));
}

namespace {

/// Pools to a size: windows of equal size where the sizes divide, else one slice after the other.
Result<void> adaptive_pool(NodeContext& node, Op op, std::string_view kind) {
  Emitter& emitter = node.emitter();
  const size_t axes = spatial_axes(node);
  TENON_TRY(ValueId given, node.tensor("self"));
  TENON_TRY(ValueId x, with_batch(node, given, axes));
  const std::vector<Dim> dims = emitter.shape(x);
  std::vector<Dim> target = node.dims("output_size");
  if (target.size() == 1) target.resize(axes, target[0]);
  if (target.size() != axes) return node.bad("has not one size per spatial axis");
  bool is_whole = true;
  bool divides = true;
  Window window;
  window.pads.assign(2 * axes, 0);
  window.dilations.assign(axes, 1);
  for (size_t i = 0; i < axes; ++i) {
    const Dim from = dims[i + 2], to = target[i];
    is_whole &= to.is(1);
    const auto size = emitter.dims().exact_div(from, to);
    divides &= size && size->is_constant() && size->value() > 0;
    window.kernel.push_back(divides ? size->value() : 1);
  }
  window.strides = window.kernel;
  Operand result = x;
  if (is_whole) {
    result = emitter.reduce(x, kind, axes_from(2, emitter.rank(x)), true);
  } else if (divides) {
    ir::Attrs attrs = window.attrs();
    attrs.set("kernel", window.kernel);
    attrs.set("ceil", false);
    if (op == Op::kAveragePool) attrs.set("count_pads", false);
    result = emitter.emit(op, {x}, std::move(attrs));
  } else {
    for (size_t i = 0; i < axes; ++i) {
      const Dim from = dims[i + 2], to = target[i];
      if (from == to) continue;
      if (!from.is_constant() || !to.is_constant() || to.value() < 1) {
        return node.unsupported("sizes that do not divide and depend on inputs");
      }
      const auto axis = static_cast<int64_t>(i) + 2;
      std::vector<Operand> parts;
      for (int64_t k = 0; k < to.value(); ++k) {
        const int64_t begin = k * from.value() / to.value();
        const int64_t end = ((k + 1) * from.value() + to.value() - 1) / to.value();
        parts.push_back(
            emitter.reduce(emitter.slice(result, axis, begin, end), kind, {axis}, true));
      }
      result = emitter.concat(parts, axis);
    }
  }
  return node.finish(without_batch(node, std::move(result), given, axes));
}

}  // namespace

Result<void> import_adaptive_average_pool(NodeContext& node) {
  return adaptive_pool(node, Op::kAveragePool, "mean");
}

Result<void> import_adaptive_max_pool(NodeContext& node) {
  return adaptive_pool(node, Op::kMaxPool, "max");
}

}  // namespace tenon::import::pt2
