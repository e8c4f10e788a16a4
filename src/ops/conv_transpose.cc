// conv_transpose: x [N, C, spatial...], w [C, M/groups, kernel...], optional b [M]. Input element p
// adds through tap t to output element p * stride - before + t * dilation; `pads` (begins, then
// ends) crop the result, `output_padding` adds to its end.
#include <fmt/ranges.h>

#include "ops/compute.h"
#include "ops/families.h"
#include "ops/loops.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_conv_transpose(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &w = *context.operands[1];
  const ir::TensorType* b = context.operands[2];
  const auto text = [&](const ir::TensorType& type) { return shape_text(context.dims, type.dims); };
  if (x.dtype != w.dtype || (b && b->dtype != x.dtype)) {
    return wrong("input, filter and bias differ in dtype");
  }
  if (x.dtype == ir::DType::kBool) return wrong("bool tensors are not convolved");
  if (!w.is_static()) return wrong("the filter's dims must be numbers, not {}", text(w));
  if (w.rank() < 3 || x.rank() != w.rank()) {
    return wrong("input {} and filter {} need the same number of spatial axes, at least one",
                 text(x), text(w));
  }
  const std::vector<int64_t> shape = numbers_of(w.dims);
  TENON_TRY(const Window window, window_of(context.attrs, std::span(shape).subspan(2)));
  const int64_t groups = context.attrs.integer("groups");
  if (groups < 1 || shape[0] % groups != 0) {
    return wrong("{} input channels do not split into {} groups", shape[0], groups);
  }
  if (!x.dims[1].is(shape[0])) {
    return wrong("the input has {} channels, the filter {} takes {}",
                 context.dims.to_string(x.dims[1]), text(w), shape[0]);
  }
  const int64_t channels = shape[1] * groups;
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

Evaluated evaluate_conv_transpose(EvaluateContext& context) {
  const Tensor &x = *context.operands[0], &w = *context.operands[1];
  Tensor& result = *context.results[0];
  const Window3 window(checked_window(context.attrs, std::span(w.shape()).subspan(2)),
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
  ConvTransposeLoops(ir::LoopScope& scope, const Window& window)
      : scope_(scope),
        builder_(scope.builder()),
        window_(window),
        inputs_(scope.operand_type(1).dims[0].value() / scope.attrs().integer("groups")),
        outputs_(scope.operand_type(1).dims[1].value()),
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

  E load(int operand, E first, E second, std::span<const E> rest) {
    std::vector<E> index = {first, second};
    index.insert(index.end(), rest.begin(), rest.end());
    return scope_.load(operand, index);
  }

  void add_product(E i, E x, E w) { sums_.set(i, multiply_add(builder_, x, w, sums_[i])); }

  void accumulate_positions() {
    const E group = builder_.floor_div(index_[1], builder_.integer(outputs_));
    const E output = index_[1] - group * outputs_;
    const size_t row = inner_ - 2;
    builder_.loop("c", builder_.integer(inputs_), [&](E c) {
      const E channel = builder_.let("channel", group * inputs_ + c);
      for_each_tap([&](std::span<const E> taps, std::span<const E> source) {
        const E w = builder_.let("w", load(1, channel, output, taps));
        const Range<E> inside =
            positions_inside(window_[row], taps[row], extents_[inner_], input_size_[inner_]);
        const E shift = taps[row] * window_[row].dilation - window_[row].before;
        std::vector<E> at(source.begin(), source.end());
        builder_.loop(
            "i", inside.begin, inside.end, 1,
            [&](E i) {
              at[row] = i;
              add_product(i * window_[row].stride + shift, load(0, index_[0], channel, at), w);
            },
            ir::LoopKind::kVector);
      });
    });
  }

  void accumulate_channels() {
    for_each_tap([&](std::span<const E> taps, std::span<const E> source) {
      const int64_t groups = scope_.attrs().integer("groups");
      builder_.loop("group", builder_.integer(groups), [&](E group) {
        builder_.loop("c", builder_.integer(inputs_), [&](E c) {
          const E channel = builder_.let("channel", group * inputs_ + c);
          const E x = builder_.let("x", load(0, index_[0], channel, source));
          builder_.loop(
              "m", builder_.integer(outputs_),
              [&](E m) { add_product(group * outputs_ + m, x, load(1, channel, m, taps)); },
              ir::LoopKind::kVector);
        });
      });
    });
  }

  ir::LoopScope& scope_;
  ir::LoopBuilder& builder_;
  const Window& window_;
  int64_t inputs_, outputs_;  // channels of one group
  std::vector<E> input_size_, extents_;
  int inner_;  // the logical axis that rows run along: channels or a spatial axis
  std::vector<E> index_;
  ir::DType dtype_;
  Scratch sums_;
};

void conv_transpose_loops(ir::LoopScope& scope) {
  const std::vector<int64_t> shape = numbers_of(scope.operand_type(1).dims);
  const Window window = checked_window(scope.attrs(), std::span(shape).subspan(2));
  ConvTransposeLoops(scope, window).run();
}

}  // namespace

Family conv_transpose_operators() {
  return {{ir::Op::kConvTranspose,
           {infer_conv_transpose, in_compute_type<evaluate_conv_transpose>, conv_transpose_loops}}};
}

}  // namespace tenon::ops
