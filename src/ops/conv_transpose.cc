// conv_transpose: x [N, C, spatial...], w [C, M/groups, kernel...], optional b [M]. Input element p
// adds through tap t to output element p * stride - before + t * dilation; `pads` (begins, then
// ends) crop the result, `output_padding` adds to its end. With the attribute `packed`, w holds a
// matrix from input to output channels for each group and tap, [groups, kernel..., panels,
// C/groups, W], in panels as pack_matrix makes them, and `channels` is M.
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

using ir::E;

/// What the operands and attributes say about the filter, packed or not.
struct Filter {
  int64_t groups = 1;
  int64_t inputs = 0, outputs = 0;  ///< channels of one group
  std::vector<int64_t> kernel;
  int64_t width = 0;  ///< of a panel; 0: not packed

  int64_t panels() const { return (outputs + width - 1) / width; }
  int64_t taps() const {
    return std::accumulate(kernel.begin(), kernel.end(), int64_t{1}, std::multiplies<>());
  }
};

std::expected<Filter, std::string> filter_of(const ir::Dims& dims, const ir::Attrs& attrs,
                                             const ir::TensorType& w) {
  if (!w.is_static())
    return wrong("the filter's dims must be numbers, not {}", shape_text(dims, w.dims));
  const std::vector<int64_t> shape = numbers_of(w.dims);
  Filter filter{.groups = attrs.integer("groups"), .width = attrs.integer_or("packed", 0)};
  if (filter.width > 0) {
    const int64_t channels = attrs.integer_or("channels", 0);
    if (filter.groups > 0 && shape.size() > 4) {
      filter.outputs = channels / filter.groups;
      filter.inputs = shape[shape.size() - 2];
      filter.kernel.assign(shape.begin() + 1, shape.end() - 3);
    }
    if (filter.kernel.empty() || shape[0] != filter.groups || channels % filter.groups != 0 ||
        shape.back() != filter.width || shape[shape.size() - 3] != filter.panels()) {
      return wrong("{} does not hold a filter of {} output channels in {} groups, packed to {}",
                   shape_text(dims, w.dims), channels, filter.groups, filter.width);
    }
    return filter;
  }
  if (w.rank() < 3) {
    return wrong(
        "a filter has input channels, output channels and at least one kernel axis, not {}",
        shape_text(dims, w.dims));
  }
  if (filter.groups < 1 || shape[0] % filter.groups != 0) {
    return wrong("{} input channels do not split into {} groups", shape[0], filter.groups);
  }
  filter.inputs = shape[0] / filter.groups;
  filter.outputs = shape[1];
  filter.kernel.assign(shape.begin() + 2, shape.end());
  return filter;
}

Inferred infer_conv_transpose(InferContext& context) {
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
    return wrong("input {} and filter {} need the same number of spatial axes, at least one",
                 text(x), text(w));
  }
  if (!x.dims[1].is(filter.inputs * filter.groups)) {
    return wrong("the input has {} channels, the filter {} takes {}",
                 context.dims.to_string(x.dims[1]), text(w), filter.inputs * filter.groups);
  }
  const int64_t channels = filter.outputs * filter.groups;
  if (b && !(b->rank() == 1 && b->dims[0].is(channels))) {
    return wrong("bias {} is not [{}]", text(*b), channels);
  }
  const std::vector<int64_t>& output_padding = context.attrs.integers("output_padding");
  if (output_padding.size() != window.size()) {
    return wrong("output padding [{}] does not describe {} spatial axes",
                 fmt::join(output_padding, ", "), window.size());
  }
  std::vector<ir::Dim> dims = {x.dims[0], channels};
  for (size_t i = 0; i < window.size(); ++i) {
    const WindowAxis& axis = window[i];
    const int64_t more = axis.extent() + output_padding[i] - axis.before - axis.after;
    const ir::Dim steps = context.dims.mul(context.dims.sub(x.dims[i + 2], 1), axis.stride);
    const ir::Dim size = context.dims.add(steps, more);
    if (size.is_constant() && size.value() < 1) {
      return wrong("pads {} and {} crop all of spatial axis {}", axis.before, axis.after, i);
    }
    dims.push_back(size);
  }
  return std::vector{ir::TensorType{x.dtype, std::move(dims)}};
}

/// Adds columns[m][tap][position] to the output elements that these taps reach from input rows
/// [first, last).
template <class T>
void fold(const T* columns, int64_t channels, const Window3& window, int64_t first, int64_t last,
          T* y) {
  const auto& [depth, height, width] = window.axes;
  const int64_t* size = window.output;
  const int64_t row_size = window.input[2];
  for (int64_t m = 0; m < channels; ++m, y += window.output_count()) {
    for (int64_t kd = 0; kd < depth.kernel; ++kd) {
      for (int64_t kh = 0; kh < height.kernel; ++kh) {
        for (int64_t kw = 0; kw < width.kernel; ++kw) {
          const Range<int64_t> inside = positions_inside(width, kw, size[2], row_size);
          const int64_t shift = kw * width.dilation - width.before;
          for (int64_t row = first; row < last; ++row, columns += row_size) {
            const int64_t d =
                row / window.input[1] * depth.stride - depth.before + kd * depth.dilation;
            const int64_t h =
                row % window.input[1] * height.stride - height.before + kh * height.dilation;
            if (d < 0 || d >= size[0] || h < 0 || h >= size[1]) continue;
            T* line = y + (d * size[1] + h) * size[2];
            for (int64_t i = inside.begin; i < inside.end; ++i) {
              T& target = line[i * width.stride + shift];
              target = static_cast<T>(target + columns[i]);
            }
          }
        }
      }
    }
  }
}

template <class T>
void convolve_transposed(const Tensor& x, const Tensor& w, const Tensor* bias, int64_t groups,
                         const Window3& window, Tensor& result) {
  const int64_t inputs = w.shape()[0] / groups, outputs = w.shape()[1];
  const int64_t inner = outputs * window.taps();  // columns per input element
  const int64_t rows = window.input[0] * window.input[1], row_size = window.input[2];
  const int64_t step = std::max<int64_t>(1, 1024 / std::max<int64_t>(1, row_size));
  std::vector<T> transposed(inner * inputs);
  std::vector<T> columns(inner * std::min(step, rows) * row_size);
  for (int64_t n = 0; n < x.shape()[0]; ++n) {
    for (int64_t group = 0; group < groups; ++group) {
      const T* source = x.as<T>().data() + (n * groups + group) * inputs * rows * row_size;
      T* y = result.as<T>().data() + (n * groups + group) * outputs * window.output_count();
      for (int64_t m = 0; m < outputs; ++m) {
        std::fill_n(y + m * window.output_count(), window.output_count(),
                    bias ? bias->as<T>()[group * outputs + m] : T{});
      }
      const T* weights = w.as<T>().data() + group * inputs * inner;
      for (int64_t c = 0; c < inputs; ++c) {
        for (int64_t i = 0; i < inner; ++i) transposed[i * inputs + c] = weights[c * inner + i];
      }
      for (int64_t first = 0; first < rows; first += step) {
        const int64_t last = std::min(rows, first + step), count = (last - first) * row_size;
        std::fill(columns.begin(), columns.end(), T{});
        multiply_matrices(inner, count, inputs, transposed.data(), inputs,
                          source + first * row_size, rows * row_size, columns.data(), count);
        fold(columns.data(), outputs, window, first, last, y);
      }
    }
  }
}

/// A packed filter as [C, M/groups, kernel...].
Tensor unpack(const Filter& filter, const Tensor& packed) {
  std::vector<int64_t> shape = {filter.groups * filter.inputs, filter.outputs};
  shape.insert(shape.end(), filter.kernel.begin(), filter.kernel.end());
  Tensor result(packed.dtype(), shape);
  const int64_t size = ir::size_of(packed.dtype());
  std::byte* to = result.bytes();
  for (int64_t c = 0; c < shape[0]; ++c) {
    const int64_t group = c / filter.inputs, input = c % filter.inputs;
    for (int64_t m = 0; m < filter.outputs; ++m) {
      for (int64_t tap = 0; tap < filter.taps(); ++tap, to += size) {
        const int64_t matrix = group * filter.taps() + tap;
        const int64_t row = (matrix * filter.panels() + m / filter.width) * filter.inputs + input;
        std::memcpy(to, packed.bytes() + (row * filter.width + m % filter.width) * size, size);
      }
    }
  }
  return result;
}

Evaluated evaluate_conv_transpose(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  const Tensor& operand = *context.operands[1];
  const Filter filter = *filter_of(
      {}, context.attrs, {operand.dtype(), {operand.shape().begin(), operand.shape().end()}});
  const Tensor w = filter.width > 0 ? unpack(filter, operand) : operand;
  const Window3 window(checked_window(context.attrs, filter.kernel),
                       std::span(x.shape()).subspan(2), std::span(result.shape()).subspan(2));
  dispatch_arithmetic(x.dtype(), [&]<class T>() {
    convolve_transposed<T>(x, w, context.operands[2], context.attrs.integer("groups"), window,
                           result);
  });
  return {};
}

/// The state of the naive loops: one task per row along the result's inner axis in memory, which
/// scratch memory accumulates.
class ConvTransposeLoops {
 public:
  ConvTransposeLoops(ir::LoopScope& scope, const Filter& filter, const Window& window)
      : scope_(scope),
        builder_(scope.builder()),
        filter_(filter),
        window_(window),
        input_size_(extents_of(scope, scope.operand_type(0))),
        extents_(extents_of(scope, scope.result_type(0))),
        inner_(inner_axis(scope.memory_order(0))),
        index_(tasks_over(builder_, extents_, without(scope.memory_order(0), inner_))),
        dtype_(ir::compute_type(scope.result_type(0).dtype)),
        sums_(builder_, "sums", dtype_, extents_[inner_]) {}

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
  /// Runs for the taps that reach the output index, with the input index from which they do.
  using TapBody = std::function<void(std::span<const E> taps, std::span<const E> source)>;

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

  void for_each_tap(const TapBody& body) {
    std::vector<E> taps(window_.size()), source(window_.size(), builder_.integer(0));
    nest(0, taps, source, body);
  }

  void nest(size_t axis, std::vector<E>& taps, std::vector<E>& source, const TapBody& body) {
    if (axis == window_.size()) return body(taps, source);
    const WindowAxis& along = window_[axis];
    const bool is_row = static_cast<int>(axis) + 2 == inner_;
    builder_.loop(fmt::format("t{}", axis), builder_.integer(along.kernel), [&](E tap) {
      taps[axis] = tap;
      if (is_row) return nest(axis + 1, taps, source, body);
      const E scaled =
          builder_.let("scaled", index_[axis + 2] + along.before - tap * along.dilation);
      const E zero = builder_.integer(0), stride = builder_.integer(along.stride);
      const E reached = (zero <= scaled) & (scaled < input_size_[axis + 2] * along.stride) &
                        (builder_.floor_mod(scaled, stride) == zero);
      builder_.if_then(reached, [&] {
        source[axis] = builder_.floor_div(scaled, stride);
        nest(axis + 1, taps, source, body);
      });
    });
  }

  E input(E channel, std::span<const E> position) {
    std::vector<E> index = {index_[0], channel};
    index.insert(index.end(), position.begin(), position.end());
    return scope_.load(0, index);
  }

  /// The weight from channel `c` to channel `m` of a group.
  E weight(E group, E c, E m, std::span<const E> taps) {
    std::vector<E> index;
    if (filter_.width == 0) {
      index = {group * filter_.inputs + c, m};
      index.insert(index.end(), taps.begin(), taps.end());
    } else {
      index = {group};
      index.insert(index.end(), taps.begin(), taps.end());
      index.insert(index.end(), {m / filter_.width, c, m % filter_.width});
    }
    return scope_.load(1, index);
  }

  void add_product(E i, E x, E w) { sums_.set(i, multiply_add(builder_, x, w, sums_[i])); }

  void accumulate_positions() {
    const E group = builder_.floor_div(index_[1], builder_.integer(filter_.outputs));
    const E output = index_[1] - group * filter_.outputs;
    const size_t row = inner_ - 2;
    builder_.loop("c", builder_.integer(filter_.inputs), [&](E c) {
      const E channel = builder_.let("channel", group * filter_.inputs + c);
      for_each_tap([&](std::span<const E> taps, std::span<const E> source) {
        const E w = builder_.let("w", weight(group, c, output, taps));
        const Range<E> inside =
            positions_inside(window_[row], taps[row], extents_[inner_], input_size_[inner_]);
        const E shift = taps[row] * window_[row].dilation - window_[row].before;
        std::vector<E> at(source.begin(), source.end());
        builder_.loop(
            "i", inside.begin, inside.end, 1,
            [&](E i) {
              at[row] = i;
              add_product(i * window_[row].stride + shift, input(channel, at), w);
            },
            ir::LoopKind::kVector);
      });
    });
  }

  void accumulate_channels() {
    for_each_tap([&](std::span<const E> taps, std::span<const E> source) {
      builder_.loop("group", builder_.integer(filter_.groups), [&](E group) {
        builder_.loop("c", builder_.integer(filter_.inputs), [&](E c) {
          const E channel = builder_.let("channel", group * filter_.inputs + c);
          const E x = builder_.let("x", input(channel, source));
          builder_.loop(
              "m", builder_.integer(filter_.outputs),
              [&](E m) { add_product(group * filter_.outputs + m, x, weight(group, c, m, taps)); },
              ir::LoopKind::kVector);
        });
      });
    });
  }

  ir::LoopScope& scope_;
  ir::LoopBuilder& builder_;
  const Filter& filter_;
  const Window& window_;
  std::vector<E> input_size_, extents_;
  int inner_;  // the logical axis that rows run along: channels or a spatial axis
  std::vector<E> index_;
  ir::DType dtype_;
  Scratch sums_;
};

void conv_transpose_loops(ir::LoopScope& scope) {
  const Filter filter = *filter_of({}, scope.attrs(), scope.operand_type(1));
  const Window window = checked_window(scope.attrs(), filter.kernel);
  ConvTransposeLoops(scope, filter, window).run();
}

}  // namespace

template <>
Operator define<ir::Op::kConvTranspose>() {
  return {infer_conv_transpose, in_compute_type<evaluate_conv_transpose>, conv_transpose_loops};
}

}  // namespace tenon::ops
