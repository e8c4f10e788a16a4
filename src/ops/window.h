// Windows that slide over spatial axes: the geometry of convolutions and pools. Tap t of the window
// at position p reads element p * stride - before + t * dilation.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/loop_builder.h"
#include "ops/op.h"

namespace tenon::ops {

struct WindowAxis {
  int64_t kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }
};

/// One entry per spatial axis.
using Window = std::vector<WindowAxis>;

/// Indices from begin to before end; empty ranges have end == begin.
template <class Number>
struct Range {
  Number begin, end;
};

/// The window with this kernel that `strides`, `dilations` and `pads` (begins, then ends) describe,
/// or what is wrong with them.
std::expected<Window, std::string> window_of(const ir::Attrs& attrs,
                                             std::span<const int64_t> kernel);

/// The same for attributes that a shape rule has accepted.
Window checked_window(const ir::Attrs& attrs, std::span<const int64_t> kernel);

/// Numbers of positions that fit into the padded input. With `ceil` the last one may reach beyond
/// it, but starts before the padding at the end.
std::expected<std::vector<ir::Dim>, std::string> count_positions(ir::Dims& dims,
                                                                 std::span<const ir::Dim> input,
                                                                 const Window& window, bool ceil);

/// Taps of the window at `position` that read one of `size` elements.
Range<int64_t> taps_inside(const WindowAxis& axis, int64_t position, int64_t size);
Range<ir::E> taps_inside(const WindowAxis& axis, ir::E position, ir::E size);

/// Those of `count` positions whose tap `tap` reads one of `size` elements.
Range<int64_t> positions_inside(const WindowAxis& axis, int64_t tap, int64_t size, int64_t count);
Range<ir::E> positions_inside(const WindowAxis& axis, ir::E tap, ir::E size, ir::E count);

/// The logical axis that rows run along for a result [N, C, spatial...] in this memory order: the
/// innermost one, but never the batch.
int inner_axis(std::span<const int> order);

/// A window, its input and its output with three spatial axes: leading axes of extent 1 are added
/// where there are fewer.
struct Window3 {
  WindowAxis axes[3];
  int64_t input[3] = {1, 1, 1}, output[3] = {1, 1, 1};

  Window3(const Window& window, std::span<const int64_t> input_size,
          std::span<const int64_t> output_size);
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t input_count() const { return input[0] * input[1] * input[2]; }
  int64_t output_count() const { return output[0] * output[1] * output[2]; }
};

/// What the naive loops of windowed operators know while they run over taps. Spatial axis i is
/// logical axis i + 2.
struct WindowLoops {
  ir::LoopBuilder& builder;
  const Window& window;
  std::vector<ir::E> input_size;   ///< per spatial axis
  std::vector<ir::E> output_size;  ///< per spatial axis
  int row_axis;                    ///< the spatial axis that rows run along, or -1

  /// Runs `body(taps, range)` for each tap of the window at the output index `position` (spatial
  /// axes only) that lies inside the input. Along the row axis it runs for every tap, and the range
  /// is that of the positions at which the tap lies inside.
  void for_each_tap(std::span<const ir::E> position,
                    const std::function<void(std::span<const ir::E>, Range<ir::E>)>& body) const;

  /// The input element that a tap of the window at a position reads, along one spatial axis.
  ir::E element(size_t axis, ir::E position, ir::E tap) const;
};

}  // namespace tenon::ops
