// conv: x [N, C, spatial...], w [M, C/groups, kernel...], optional b [M]; `pads` are begins, then
// ends; one to three spatial axes. With the attribute `packed`, w is the result of pack_filter
// (ops/filter.h) and `channels` is M.
#include "ops/compute.h"
#include "ops/filter.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_conv(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &w = *context.operands[1];
  const ir::TensorType* b = context.operands[2];
  const auto text = [&](const ir::TensorType& type) { return shape_text(context.dims, type.dims); };
  if (x.dtype != w.dtype || (b && b->dtype != x.dtype)) {
    return wrong("input, filter and bias differ in dtype");
  }
  if (x.dtype == ir::DType::kBool) return wrong("bool tensors are not convolved");
  TENON_TRY(const Filter filter, filter_of(context.dims, context.attrs, w));
  TENON_TRY(const Window window, window_of(context.attrs, filter.kernel));
  if (x.rank() != window.size() + 2) {
    return wrong("input {} does not have batch, channels and {} spatial axes", text(x),
                 window.size());
  }
  if (!x.dims[1].is(filter.inputs * filter.groups)) {
    return wrong("the input has {} channels, the filter {} takes {} groups of {}",
                 context.dims.to_string(x.dims[1]), text(w), filter.groups, filter.inputs);
  }
  if (b && !(b->rank() == 1 && b->dims[0].is(filter.channels))) {
    return wrong("bias {} is not [{}]", text(*b), filter.channels);
  }
  TENON_TRY(const std::vector<ir::Dim> positions,
            count_positions(context.dims, std::span(x.dims).subspan(2), window, false));
  std::vector<ir::Dim> dims = {x.dims[0], filter.channels};
  dims.insert(dims.end(), positions.begin(), positions.end());
  return std::vector{ir::TensorType{x.dtype, std::move(dims)}};
}

/// Writes rows [first, last) of the output positions as columns: columns[c][tap][position] is the
/// input element that the tap reads there, or 0.
template <class T>
void unfold(const T* x, int64_t channels, const Window3& window, int64_t first, int64_t last,
            T* columns) {
  const auto& [depth, height, width] = window.axes;
  const int64_t* size = window.input;
  const int64_t row_size = window.output[2];
  std::fill_n(columns, channels * window.taps() * (last - first) * row_size, T{});
  for (int64_t c = 0; c < channels; ++c, x += window.input_count()) {
    for (int64_t kd = 0; kd < depth.kernel; ++kd) {
      for (int64_t kh = 0; kh < height.kernel; ++kh) {
        for (int64_t kw = 0; kw < width.kernel; ++kw) {
          const Range<int64_t> inside = positions_inside(width, kw, size[2], row_size);
          const int64_t shift = kw * width.dilation - width.before;
          for (int64_t row = first; row < last; ++row, columns += row_size) {
            const int64_t d =
                row / window.output[1] * depth.stride - depth.before + kd * depth.dilation;
            const int64_t h =
                row % window.output[1] * height.stride - height.before + kh * height.dilation;
            if (d < 0 || d >= size[0] || h < 0 || h >= size[1]) continue;
            const T* line = x + (d * size[1] + h) * size[2];
            for (int64_t i = inside.begin; i < inside.end; ++i) {
              columns[i] = line[i * width.stride + shift];
            }
          }
        }
      }
    }
  }
}

template <class T>
void convolve(const Tensor& x, const Tensor& w, const Tensor* bias, const Filter& filter,
              const Window3& window, Tensor& result) {
  const int64_t inner = filter.inputs * filter.taps(), outputs = filter.outputs();
  const int64_t rows = window.output[0] * window.output[1], row_size = window.output[2];
  const int64_t positions = rows * row_size;
  // Enough rows at a time to fill a matrix product's inner loop, few enough to stay in the cache.
  const int64_t step = std::max<int64_t>(1, 1024 / std::max<int64_t>(1, row_size));
  std::vector<T> columns(inner * std::min(step, rows) * row_size);
  T* y = result.as<T>().data();
  for (int64_t n = 0; n < result.shape()[0]; ++n) {
    for (int64_t m = 0; m < filter.channels; ++m) {
      std::fill_n(y + m * positions, positions, bias ? bias->as<T>()[m] : T{});
    }
    for (int64_t group = 0; group < filter.groups; ++group) {
      const T* source =
          x.as<T>().data() + (n * filter.groups + group) * filter.inputs * window.input_count();
      for (int64_t first = 0; first < rows; first += step) {
        const int64_t last = std::min(rows, first + step), count = (last - first) * row_size;
        unfold(source, filter.inputs, window, first, last, columns.data());
        multiply_matrices(outputs, count, inner, w.as<T>().data() + group * outputs * inner, inner,
                          columns.data(), count, y + group * outputs * positions + first * row_size,
                          positions);
      }
    }
    y += filter.channels * positions;
  }
}

Evaluated evaluate_conv(EvaluateContext& context) {
  const Tensor &x = *context.operands[0], &w = *context.operands[1];
  Tensor& result = *context.results[0];
  if (result.count() == 0) return {};
  const ir::TensorType type{w.dtype(), {w.shape().begin(), w.shape().end()}};
  const std::expected<Filter, std::string> filter = filter_of({}, context.attrs, type);
  TENON_CHECK(filter.has_value(), "the shape rule has accepted the filter");
  const Window3 window(checked_window(context.attrs, filter->kernel),
                       std::span(x.shape()).subspan(2), std::span(result.shape()).subspan(2));
  const Tensor plain = filter->width > 0 ? unpack_filter(*filter, w) : w;
  dispatch_arithmetic(x.dtype(), [&]<class T>() {
    convolve<T>(x, plain, context.operands[2], *filter, window, result);
  });
  return {};
}

/// The state of a convolution's naive loops: one task per row along the result's inner axis in
/// memory, which scratch memory accumulates.
class ConvLoops {
 public:
  ConvLoops(ir::LoopScope& scope, const Filter& filter, const Window& window)
      : scope_(scope),
        builder_(scope.builder()),
        filter_(filter),
        extents_(extents_of(scope, scope.result_type(0))),
        inner_(inner_axis(scope.memory_order(0))),
        index_(tasks_over(builder_, extents_, without(scope.memory_order(0), inner_))),
        dtype_(ir::compute_type(scope.result_type(0).dtype)),
        sums_(builder_, "sums", dtype_, extents_[inner_]),
        loops_{builder_, window, {}, {extents_.begin() + 2, extents_.end()}, inner_ - 2} {
    const std::vector<E> input = extents_of(scope, scope.operand_type(0));
    loops_.input_size.assign(input.begin() + 2, input.end());
  }

  void run() {
    for_each_in_row([&](E i) { sums_.set(i, bias()); });
    if (inner_ == 1) {
      accumulate_channels();
    } else {
      accumulate_positions();
    }
    for_each_in_row([&](E i) { scope_.store(0, index_, sums_[i]); });
  }

 private:
  void for_each_in_row(const std::function<void(E)>& body) {
    builder_.loop(
        "i", extents_[inner_],
        [&](E i) {
          index_[inner_] = i;
          body(i);
        },
        ir::LoopKind::kVector);
  }

  E bias() {
    if (!scope_.has_operand(2)) return builder_.literal(0, {dtype_});
    return scope_.load(2, std::vector{index_[1]});
  }

  E weight(E group, E panel, E lane, E input, std::span<const E> taps) {
    std::vector<E> index;
    if (filter_.width == 0) {
      index = {group * filter_.outputs() + lane, input};
      index.insert(index.end(), taps.begin(), taps.end());
    } else if (filter_.diagonal) {
      const auto [block, channels] = filter_.diagonals();
      const E output = group * filter_.outputs() + panel * filter_.width + lane;
      const E place = output % channels;
      const E row = place % block, column = input % block;
      const E r = (row - column + block) % block;
      index = {output / channels, r * (filter_.inputs / block) + input / block};
      index.insert(index.end(), taps.begin(), taps.end());
      index.push_back(place - row + column);
    } else {
      index = {group, panel};
      index.insert(index.end(), taps.begin(), taps.end());
      index.insert(index.end(), {input, lane});
    }
    return scope_.load(1, index);
  }

  E input(E channel, std::span<const E> position, std::span<const E> taps) {
    std::vector<E> index = {index_[0], channel};
    for (size_t axis = 0; axis < taps.size(); ++axis) {
      index.push_back(loops_.element(axis, position[axis], taps[axis]));
    }
    return scope_.load(0, index);
  }

  void add_product(E i, E x, E w) { sums_.set(i, multiply_add(builder_, x, w, sums_[i])); }

  void accumulate_positions() {
    const int64_t width = filter_.width > 0 ? filter_.width : filter_.outputs();
    const E group = filter_.groups == 1
                        ? builder_.integer(0)
                        : builder_.floor_div(index_[1], builder_.integer(filter_.outputs()));
    const E output = index_[1] - group * filter_.outputs();
    const E panel = builder_.floor_div(output, builder_.integer(width));
    const E lane = output - panel * width;
    std::vector<E> position(index_.begin() + 2, index_.end());
    builder_.loop("c", builder_.integer(filter_.inputs), [&](E c) {
      const E channel = builder_.let("channel", group * filter_.inputs + c);
      loops_.for_each_tap(position, [&](std::span<const E> taps, Range<E> inside) {
        const E w = builder_.let("w", weight(group, panel, lane, c, taps));
        builder_.loop(
            "i", inside.begin, inside.end, 1,
            [&](E i) {
              position[inner_ - 2] = i;
              add_product(i, input(channel, position, taps), w);
            },
            ir::LoopKind::kVector);
      });
    });
  }

  void accumulate_channels() {
    const std::vector<E> position(index_.begin() + 2, index_.end());
    const E zero = builder_.integer(0);
    loops_.for_each_tap(position, [&](std::span<const E> taps, Range<E>) {
      if (filter_.depthwise()) {
        builder_.loop(
            "i", extents_[1],
            [&](E i) {
              add_product(i, input(i, position, taps), weight(i, zero, zero, zero, taps));
            },
            ir::LoopKind::kVector);
        return;
      }
      builder_.loop("group", builder_.integer(filter_.groups), [&](E group) {
        builder_.loop("c", builder_.integer(filter_.inputs), [&](E c) {
          const E x = builder_.let("x", input(group * filter_.inputs + c, position, taps));
          accumulate_group(group, c, x, taps);
        });
      });
    });
  }

  /// Adds what input channel `c` of a group gives to the group's output channels.
  void accumulate_group(E group, E c, E x, std::span<const E> taps) {
    const E first = group * filter_.outputs();
    const auto lanes = [&](E panel, E begin, E count) {
      builder_.loop(
          "lane", count,
          [&](E lane) {
            add_product(first + begin + lane, x, weight(group, panel, lane, c, taps));
          },
          ir::LoopKind::kVector);
    };
    const E outputs = builder_.integer(filter_.outputs());
    if (filter_.width == 0 || filter_.diagonal)
      return lanes(builder_.integer(0), builder_.integer(0), outputs);
    builder_.loop("panel", builder_.integer(filter_.panels()), [&](E panel) {
      const E begin = panel * filter_.width;
      lanes(panel, begin, builder_.min(builder_.integer(filter_.width), outputs - begin));
    });
  }

  ir::LoopScope& scope_;
  ir::LoopBuilder& builder_;
  const Filter& filter_;
  std::vector<E> extents_;
  int inner_;  // the logical axis that rows run along: channels or a spatial axis
  std::vector<E> index_;
  ir::DType dtype_;
  Scratch sums_;
  WindowLoops loops_;
};

void conv_loops(ir::LoopScope& scope) {
  const std::expected<Filter, std::string> filter =
      filter_of({}, scope.attrs(), scope.operand_type(1));
  TENON_CHECK(filter.has_value(), "the shape rule has accepted the filter");
  const Window window = checked_window(scope.attrs(), filter->kernel);
  ConvLoops(scope, *filter, window).run();
}

}  // namespace

template <>
Operator define<ir::Op::kConv>() {
  return {infer_conv, in_compute_type<evaluate_conv>, conv_loops};
}

template <>
Operator define<ir::Op::kPackFilter>() {
  return {infer_pack_filter, evaluate_pack_filter, pack_filter_loops};
}

}  // namespace tenon::ops
