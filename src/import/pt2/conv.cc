// Convolutions.
#include <algorithm>

#include "import/pt2/operators.h"
#include "import/pt2/window.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The filter's spatial extents.
Result<std::vector<int64_t>> kernel_of(NodeContext& node, ValueId weight) {
  const std::vector<Dim> dims = node.emitter().shape(weight);
  if (dims.size() < 3) return node.bad("the filter has no spatial axes");
  std::vector<int64_t> kernel;
  for (size_t i = 2; i < dims.size(); ++i) {
    if (!dims[i].is_constant()) return node.unsupported("a filter of open size");
    kernel.push_back(dims[i].value());
  }
  return kernel;
}

/// "same" and "valid" as amounts: what is too much for both ends goes to the last.
Result<void> pad_by_name(NodeContext& node, Window& window) {
  const std::string name = node.text("padding");
  if (name != "same" && name != "valid") return node.bad(fmt::format("padding '{}'", name));
  for (size_t i = 0; name == "same" && i < window.size(); ++i) {
    const int64_t total = window.extent(i) - 1;
    window.pads[i] = total / 2;
    window.pads[i + window.size()] = total - total / 2;
  }
  return {};
}

Result<void> convolve(NodeContext& node, bool is_transposed) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId given, node.tensor("input"));
  TENON_TRY(ValueId weight, node.tensor("weight"));
  TENON_TRY(std::vector<int64_t> kernel, kernel_of(node, weight));
  const size_t axes = kernel.size();
  TENON_TRY(ValueId x, with_batch(node, given, axes));
  Window window{std::move(kernel), node.integers("stride", axes), node.integers("dilation", axes),
                std::vector<int64_t>(2 * axes)};
  if (node.argument("padding").get<std::string>()) {
    TENON_TRY_DO(pad_by_name(node, window));
  } else {
    window.set_pads(node.integers("padding", axes));
  }
  TENON_TRY_DO(check_window(node, window));
  ir::Attrs attrs = window.attrs();
  attrs.set("groups", node.integer("groups"));
  if (is_transposed) attrs.set("output_padding", node.integers("output_padding", axes));
  return node.finish(
      without_batch(node,
                    emitter.emit(is_transposed ? Op::kConvTranspose : Op::kConv,
                                 {x, weight, node.optional_tensor("bias")}, std::move(attrs)),
                    given, axes));
}

}  // namespace

Result<void> import_conv(NodeContext& node) { return convolve(node, false); }
Result<void> import_conv_transpose(NodeContext& node) { return convolve(node, true); }
Result<void> import_convolution(NodeContext& node) {
  return convolve(node, node.flag("transposed"));
}

}  // namespace tenon::import::pt2
