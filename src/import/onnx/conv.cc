// Convolutions.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"
#include "import/onnx/window.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

namespace {

/// The window whose kernel is the filter's spatial extents.
Result<Window> filter_window(NodeContext& node, ValueId x, ValueId w) {
  const std::vector<Dim> dims = node.emitter().shape(w);
  if (node.emitter().rank(x) != node.emitter().rank(w) || dims.size() < 3) {
    return node.bad("operand and filter do not have the same spatial axes");
  }
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < dims.size(); ++i) {
    if (!dims[i].is_constant()) return node.unsupported("filters of open size");
    kernel.push_back(dims[i].value());
  }
  return window_of(node, x, std::move(kernel));
}

}  // namespace

Emitter::Operand convolution(NodeContext& node, ValueId x, ValueId w, ValueId bias) {
  TENON_TRY(Window window, filter_window(node, x, w));
  TENON_TRY_DO(resolve_same(node, x, window));
  ir::Attrs attrs = window.attrs();
  attrs.set("groups", node.integer("group", 1));
  return node.emitter().emit(Op::kConv, {x, w, bias}, std::move(attrs));
}

Result<void> import_conv(NodeContext& node) {
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId w, node.input(1));
  return node.finish(convolution(node, x, w, node.optional_input(2)));
}

namespace {

/// Pads of a transposed convolution that give this output size: what is too much is cut off, what
/// is missing is added at the end.
Result<void> fit_output(NodeContext& node, ValueId x, const std::vector<Dim>& output,
                        Window& window, std::vector<int64_t>& output_padding) {
  ir::Dims& dims = node.emitter().dims();
  const std::vector<Dim> input = node.emitter().shape(x);
  for (size_t i = 0; i < window.size(); ++i) {
    const Dim full = dims.add(dims.mul(dims.sub(input[i + 2], 1), window.strides[i]),
                              window.extent(i) + output_padding[i]);
    const Dim excess = dims.sub(full, output[i]);
    if (!excess.is_constant()) {
      return node.unsupported("ConvTranspose to a fixed size from an open one");
    }
    const int64_t total = std::max<int64_t>(0, excess.value());
    output_padding[i] += total - excess.value();
    const int64_t smaller = total / 2;
    window.pads[i] = auto_pad(node) == "SAME_UPPER" ? smaller : total - smaller;
    window.pads[i + window.size()] = total - window.pads[i];
  }
  return {};
}

}  // namespace

Result<void> import_conv_transpose(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId w, node.input(1));
  TENON_TRY(Window window, filter_window(node, x, w));
  std::vector<int64_t> output_padding =
      node.integers("output_padding").value_or(std::vector<int64_t>(window.size(), 0));
  if (output_padding.size() != window.size()) return node.bad("output_padding of another rank");
  std::vector<Dim> output;
  if (auto given = node.integers("output_shape")) {
    output.assign(given->begin(), given->end());
    // Old writers give the whole shape.
    if (output.size() == window.size() + 2) output.erase(output.begin(), output.begin() + 2);
    if (output.size() != window.size()) return node.bad("output_shape of another rank");
  } else if (auto_pad(node).starts_with("SAME")) {
    const std::vector<Dim> input = emitter.shape(x);
    for (size_t i = 0; i < window.size(); ++i) {
      output.push_back(emitter.dims().mul(input[i + 2], window.strides[i]));
    }
  }
  if (!output.empty()) {
    TENON_TRY_DO(fit_output(node, x, output, window, output_padding));
  }
  ir::Attrs attrs = window.attrs();
  attrs.set("groups", node.integer("group", 1));
  attrs.set("output_padding", std::move(output_padding));
  return node.finish(
      emitter.emit(Op::kConvTranspose, {x, w, node.optional_input(2)}, std::move(attrs)));
}

}  // namespace tenon::import::onnx
