#include "import/onnx/window.h"

#include <algorithm>

namespace tenon::import::onnx {
namespace {

/// Beyond any real window, and far from overflow in the arithmetic on it.
constexpr int64_t kLargest = int64_t{1} << 30;

}  // namespace

std::string auto_pad(NodeContext& node) { return node.text("auto_pad", "NOTSET"); }

Result<Window> window_of(NodeContext& node, ir::ValueId x, std::vector<int64_t> kernel) {
  const int64_t rank = node.emitter().rank(x);
  if (rank < 3) return node.bad(fmt::format("an operand with {} axes has no spatial ones", rank));
  const auto count = static_cast<size_t>(rank - 2);
  if (auto given = node.integers("kernel_shape")) {
    if (!kernel.empty() && kernel != *given) {
      return node.bad("kernel_shape is not the shape of the filter");
    }
    kernel = *given;
  }
  const std::vector<int64_t> ones(count, 1);
  Window window{std::move(kernel), node.integers("strides").value_or(ones),
                node.integers("dilations").value_or(ones),
                node.integers("pads").value_or(std::vector<int64_t>(2 * count, 0))};
  const std::string pad = auto_pad(node);
  if (pad != "NOTSET") {
    if (pad != "VALID" && pad != "SAME_UPPER" && pad != "SAME_LOWER") {
      return node.bad(fmt::format("auto_pad '{}' is none", pad));
    }
    window.pads.assign(2 * count, 0);
  }
  if (window.kernel.size() != count || window.strides.size() != count ||
      window.dilations.size() != count || window.pads.size() != 2 * count) {
    return node.bad(
        fmt::format("its window does not have the {} spatial axes of its operand", count));
  }
  const auto is_size = [](int64_t value) { return value >= 1 && value <= kLargest; };
  const auto is_pad = [](int64_t value) { return value >= -kLargest && value <= kLargest; };
  if (!std::ranges::all_of(window.kernel, is_size) ||
      !std::ranges::all_of(window.strides, is_size) ||
      !std::ranges::all_of(window.dilations, is_size) ||
      !std::ranges::all_of(window.pads, is_pad)) {
    return node.bad("its window has sizes out of range");
  }
  return window;
}

Result<void> resolve_same(NodeContext& node, ir::ValueId x, Window& window) {
  const std::string pad = auto_pad(node);
  if (!pad.starts_with("SAME")) return {};
  const std::vector<ir::Dim> dims = node.emitter().shape(x);
  for (size_t i = 0; i < window.size(); ++i) {
    const ir::Dim size = dims[i + 2];
    const int64_t stride = window.strides[i];
    if (!size.is_constant() && stride != 1) {
      return node.unsupported("SAME padding with strides along an axis of open size");
    }
    // With stride 1 the size does not matter.
    const int64_t input = size.is_constant() ? size.value() : 1;
    const int64_t output = (input + stride - 1) / stride;
    const int64_t total = std::max<int64_t>(0, (output - 1) * stride + window.extent(i) - input);
    const int64_t smaller = total / 2;
    window.pads[i] = pad == "SAME_UPPER" ? smaller : total - smaller;
    window.pads[i + window.size()] = total - window.pads[i];
  }
  return {};
}

}  // namespace tenon::import::onnx
