#include "ops/window.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

/// ceil(max(a, 0) / b), b > 0
E ceil_div_from_zero(ir::LoopBuilder& builder, E a, int64_t b) {
  const E positive = builder.max(a, builder.integer(0));
  return b == 1 ? positive : builder.floor_div(positive + (b - 1), builder.integer(b));
}

Range<int64_t> clamp(int64_t begin, int64_t end, int64_t limit) {
  begin = std::clamp<int64_t>(begin, 0, limit);
  return {begin, std::clamp(end, begin, limit)};
}

Range<E> range_of(ir::LoopBuilder& builder, E negative_origin, int64_t step, E size, E limit) {
  const E begin = builder.min(ceil_div_from_zero(builder, negative_origin, step), limit);
  const E end = builder.min(ceil_div_from_zero(builder, negative_origin + size, step), limit);
  return {begin, builder.max(begin, end)};
}

}  // namespace

std::expected<Window, std::string> window_of(const ir::Attrs& attrs,
                                             std::span<const int64_t> kernel) {
  const size_t rank = kernel.size();
  const std::vector<int64_t>&strides = attrs.integers("strides"), &pads = attrs.integers("pads");
  const std::vector<int64_t>& dilations = attrs.integers("dilations");
  if (rank < 1 || rank > 3) return wrong("{} spatial axes; 1 to 3 are supported", rank);
  if (strides.size() != rank || dilations.size() != rank || pads.size() != 2 * rank) {
    return wrong("{} strides, {} dilations and {} pads do not describe {} spatial axes",
                 strides.size(), dilations.size(), pads.size(), rank);
  }
  Window window(rank);
  for (size_t i = 0; i < rank; ++i) {
    window[i] = {kernel[i], strides[i], dilations[i], pads[i], pads[rank + i]};
    if (kernel[i] < 1 || strides[i] < 1 || dilations[i] < 1) {
      return wrong("kernel [{}], strides [{}] and dilations [{}] must be positive",
                   fmt::join(kernel, ", "), fmt::join(strides, ", "), fmt::join(dilations, ", "));
    }
  }
  return window;
}

Window checked_window(const ir::Attrs& attrs, std::span<const int64_t> kernel) {
  std::expected<Window, std::string> window = window_of(attrs, kernel);
  TENON_CHECK(window.has_value(), "the shape rule has accepted the window");
  return *window;
}

std::expected<std::vector<ir::Dim>, std::string> count_positions(ir::Dims& dims,
                                                                 std::span<const ir::Dim> input,
                                                                 const Window& window, bool ceil) {
  std::vector<ir::Dim> counts, padded;
  std::vector<int64_t> kernel;
  bool fits = true;
  for (size_t i = 0; i < window.size(); ++i) {
    const WindowAxis& axis = window[i];
    padded.push_back(dims.add(input[i], axis.before + axis.after));
    kernel.push_back(axis.extent());
    const ir::Dim room = dims.sub(padded[i], axis.extent());
    if (room.is_constant() && room.value() < 0) fits = false;
    if (!ceil) {
      counts.push_back(dims.add(dims.floor_div(room, axis.stride), 1));
      continue;
    }
    const ir::Dim starts = dims.ceil_div(dims.add(input[i], axis.before), axis.stride);
    counts.push_back(dims.min(dims.add(dims.ceil_div(room, axis.stride), 1), starts));
  }
  if (fits) return counts;
  std::vector<std::string> sizes;
  for (ir::Dim dim : padded) sizes.push_back(dims.to_string(dim));
  return wrong("the {} kernel does not fit the padded input {}", fmt::join(kernel, "x"),
               fmt::join(sizes, "x"));
}

Range<int64_t> taps_inside(const WindowAxis& axis, int64_t position, int64_t size) {
  const int64_t origin = position * axis.stride - axis.before;
  return clamp(ceil_div(-origin, axis.dilation), ceil_div(size - origin, axis.dilation),
               axis.kernel);
}

Range<E> taps_inside(const WindowAxis& axis, E position, E size) {
  ir::LoopBuilder& builder = *position.builder;
  return range_of(builder, builder.integer(axis.before) - position * axis.stride, axis.dilation,
                  size, builder.integer(axis.kernel));
}

Range<int64_t> positions_inside(const WindowAxis& axis, int64_t tap, int64_t size, int64_t count) {
  const int64_t origin = tap * axis.dilation - axis.before;
  return clamp(ceil_div(-origin, axis.stride), ceil_div(size - origin, axis.stride), count);
}

Range<E> positions_inside(const WindowAxis& axis, E tap, E size, E count) {
  ir::LoopBuilder& builder = *tap.builder;
  return range_of(builder, builder.integer(axis.before) - tap * axis.dilation, axis.stride, size,
                  count);
}

int inner_axis(std::span<const int> order) {
  return order.back() != 0 ? order.back() : order[order.size() - 2];
}

Window3::Window3(const Window& window, std::span<const int64_t> input_size,
                 std::span<const int64_t> output_size) {
  const size_t added = 3 - window.size();
  std::ranges::copy(window, axes + added);
  std::ranges::copy(input_size, input + added);
  std::ranges::copy(output_size, output + added);
}

void WindowLoops::for_each_tap(
    std::span<const E> position,
    const std::function<void(std::span<const E>, Range<E>)>& body) const {
  std::vector<E> taps(window.size());
  Range<E> row{builder.integer(0), builder.integer(0)};
  const std::function<void(size_t)> nest = [&](size_t axis) {
    if (axis == window.size()) return body(taps, row);
    const bool along_row = static_cast<int>(axis) == row_axis;
    const Range<E> inside = along_row
                                ? Range<E>{builder.integer(0), builder.integer(window[axis].kernel)}
                                : taps_inside(window[axis], position[axis], input_size[axis]);
    builder.loop(fmt::format("t{}", axis), inside.begin, inside.end, 1, [&](E tap) {
      taps[axis] = tap;
      if (along_row) {
        row = positions_inside(window[axis], tap, input_size[axis], output_size[axis]);
      }
      nest(axis + 1);
    });
  };
  nest(0);
}

E WindowLoops::element(size_t axis, E position, E tap) const {
  return position * window[axis].stride - window[axis].before + tap * window[axis].dilation;
}

}  // namespace tenon::ops
