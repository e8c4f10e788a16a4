#include "import/pt2/window.h"

#include <algorithm>

namespace tenon::import::pt2 {

using ir::Dim;
using ir::ValueId;
using Operand = Emitter::Operand;

Result<void> check_window(const NodeContext& node, const Window& window) {
  // Beyond any real window, and far from overflow in the arithmetic on it.
  constexpr int64_t kLargest = int64_t{1} << 30;
  const auto is_size = [](int64_t value) { return value >= 1 && value <= kLargest; };
  const auto is_pad = [](int64_t value) { return value >= 0 && value <= kLargest; };
  if (std::ranges::all_of(window.kernel, is_size) && std::ranges::all_of(window.strides, is_size) &&
      std::ranges::all_of(window.dilations, is_size) && std::ranges::all_of(window.pads, is_pad)) {
    return {};
  }
  return node.bad("its window has sizes out of range");
}

Operand with_batch(NodeContext& node, ValueId x, size_t spatial_axes) {
  std::vector<Dim> dims = node.emitter().shape(x);
  if (dims.size() == spatial_axes + 2) return x;
  if (dims.size() != spatial_axes + 1) {
    return node.bad(fmt::format("{} axes where {} spatial ones belong", dims.size(), spatial_axes));
  }
  dims.insert(dims.begin(), 1);
  return node.emitter().reshape(x, std::move(dims));
}

Operand without_batch(NodeContext& node, Operand result, ValueId x, size_t spatial_axes) {
  Emitter& emitter = node.emitter();
  if (!result || emitter.shape(x).size() == spatial_axes + 2) return result;
  std::vector<Dim> dims = emitter.shape(*result);
  dims.erase(dims.begin());
  return emitter.reshape(*result, std::move(dims));
}

}  // namespace tenon::import::pt2
