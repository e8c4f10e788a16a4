// max_pool, average_pool: x [N, C, spatial...], `pads` are begins, then ends; one to three spatial
// axes. With `ceil` the last window may reach beyond the padded input but starts before the padding
// at its end. Padding is never the maximum; it counts for the average's divisor if `count_pads`,
// what lies beyond the padding never does.
#include <limits>

#include "ops/compute.h"
#include "ops/element.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_pool(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<int64_t>& kernel = context.attrs.integers("kernel");
  TENON_TRY(const Window window, window_of(context.attrs, kernel));
  if (x.rank() != kernel.size() + 2) {
    return wrong("input {} does not have batch, channels and {} spatial axes",
                 shape_text(context.dims, x.dims), kernel.size());
  }
  TENON_TRY(const std::vector<ir::Dim> positions,
            count_positions(context.dims, std::span(x.dims).subspan(2), window,
                            context.attrs.flag("ceil")));
  std::vector<ir::Dim> dims = {x.dims[0], x.dims[1]};
  dims.insert(dims.end(), positions.begin(), positions.end());
  return std::vector{ir::TensorType{x.dtype, std::move(dims)}};
}

Inferred infer_max_pool(InferContext& context) {
  if (context.operands[0]->dtype == ir::DType::kBool) return wrong("bool tensors are not pooled");
  return infer_pool(context);
}

Inferred infer_average_pool(InferContext& context) {
  const ir::DType dtype = context.operands[0]->dtype;
  if (!ir::is_float(dtype)) {
    return wrong("an average takes floats, not {}", ir::to_string(dtype));
  }
  return infer_pool(context);
}

/// Taps of the window at `position` that read an element or padding.
int64_t padded_taps(const WindowAxis& axis, int64_t position, int64_t size) {
  WindowAxis padded = axis;
  padded.before = 0;
  const Range<int64_t> taps = taps_inside(padded, position, size + axis.before + axis.after);
  return taps.end - taps.begin;
}

E padded_taps(const WindowAxis& axis, E position, E size) {
  WindowAxis padded = axis;
  padded.before = 0;
  const Range<E> taps = taps_inside(padded, position, size + (axis.before + axis.after));
  return taps.end - taps.begin;
}

/// Calls `body(plane, output element, its windows along the axes, taps with padding)` for each
/// element of the result.
using Windows = Range<int64_t>[3];

void for_each_window(
    const Window3& window, int64_t planes,
    const std::function<void(int64_t plane, int64_t output, const Windows&, int64_t)>& body) {
  int64_t output = 0;
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t d = 0; d < window.output[0]; ++d) {
      for (int64_t h = 0; h < window.output[1]; ++h) {
        for (int64_t w = 0; w < window.output[2]; ++w) {
          Windows taps;
          int64_t padded = 1;
          const int64_t position[] = {d, h, w};
          for (int axis = 0; axis < 3; ++axis) {
            const WindowAxis& along = window.axes[axis];
            const Range<int64_t> inside = taps_inside(along, position[axis], window.input[axis]);
            const int64_t origin = position[axis] * along.stride - along.before;
            taps[axis] = {origin + inside.begin * along.dilation,
                          origin + inside.end * along.dilation};
            padded *= padded_taps(along, position[axis], window.input[axis]);
          }
          body(plane, output++, taps, padded);
        }
      }
    }
  }
}

/// Calls `body(element)` for the input elements that a window covers.
template <class T, class Body>
void for_each_covered(const T* plane, const Window3& window, const Windows& taps, Body&& body) {
  for (int64_t d = taps[0].begin; d < taps[0].end; d += window.axes[0].dilation) {
    for (int64_t h = taps[1].begin; h < taps[1].end; h += window.axes[1].dilation) {
      const T* line = plane + (d * window.input[1] + h) * window.input[2];
      for (int64_t w = taps[2].begin; w < taps[2].end; w += window.axes[2].dilation) body(line[w]);
    }
  }
}

Window3 window3_of(const EvaluateContext& context) {
  return Window3(checked_window(context.attrs, context.attrs.integers("kernel")),
                 std::span(context.operands[0]->shape()).subspan(2),
                 std::span(context.results[0]->shape()).subspan(2));
}

int64_t planes_of(const Tensor& tensor) { return tensor.shape()[0] * tensor.shape()[1]; }

Evaluated evaluate_max_pool(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const Window3 window = window3_of(context);
  dispatch(x.dtype(), [&]<class T>() {
    using C = Compute<T>;
    using Limits = std::numeric_limits<C>;
    const T* elements = x.as<T>().data();
    T* result = context.results[0]->as<T>().data();
    for_each_window(window, planes_of(x),
                    [&](int64_t plane, int64_t output, const Windows& taps, int64_t) {
                      C best = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
                      for_each_covered(elements + plane * window.input_count(), window, taps,
                                       [&](C element) { best = element > best ? element : best; });
                      result[output] = T(best);
                    });
  });
  return {};
}

Evaluated evaluate_average_pool(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const Window3 window = window3_of(context);
  const bool count_pads = context.attrs.flag("count_pads");
  dispatch_float(x.dtype(), [&]<class T>() {
    const T* elements = x.as<T>().data();
    T* result = context.results[0]->as<T>().data();
    for_each_window(window, planes_of(x),
                    [&](int64_t plane, int64_t output, const Windows& taps, int64_t padded) {
                      double sum = 0;
                      int64_t count = 0;
                      for_each_covered(elements + plane * window.input_count(), window, taps,
                                       [&](T element) {
                                         sum += element;
                                         ++count;
                                       });
                      result[output] = static_cast<T>(sum / (count_pads ? padded : count));
                    });
  });
  return {};
}

/// What a pool does with the elements under a window.
struct PoolStep {
  E first;
  std::function<E(E, E)> combine;
  std::function<E(E, std::span<const E>)> finish;  ///< of the combined value at a spatial index
};

/// One task per row along the result's inner axis in memory, which scratch memory accumulates.
void pool_loops(ir::LoopScope& scope, const WindowLoops& geometry, std::span<const E> extents,
                const PoolStep& step) {
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<int> order = scope.memory_order(0);
  const int inner = geometry.row_axis >= 0 ? geometry.row_axis + 2 : 1;
  std::vector<E> index = tasks_over(builder, extents, without(order, inner));
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  Scratch row(builder, "row", dtype, extents[inner]);
  row.fill(step.first);
  const std::vector<E> outer_position(index.begin() + 2, index.end());
  geometry.for_each_tap(outer_position, [&](std::span<const E> taps, Range<E> inside) {
    const Range<E> all{builder.integer(0), extents[inner]};
    const Range<E> range = inner == 1 ? all : inside;
    builder.loop(
        "i", range.begin, range.end, 1,
        [&](E i) {
          std::vector<E> source = index;
          source[inner] = i;
          for (size_t axis = 0; axis < taps.size(); ++axis) {
            source[axis + 2] = geometry.element(axis, source[axis + 2], taps[axis]);
          }
          row.set(i, step.combine(row[i], scope.load(0, source)));
        },
        ir::LoopKind::kVector);
  });
  builder.loop(
      "i", extents[inner],
      [&](E i) {
        index[inner] = i;
        scope.store(0, index, step.finish(row[i], std::span(index).subspan(2)));
      },
      ir::LoopKind::kVector);
}

WindowLoops geometry_of(ir::LoopScope& scope, const Window& window, std::span<const E> extents) {
  const std::vector<E> input = extents_of(scope, scope.operand_type(0));
  return {scope.builder(),
          window,
          {input.begin() + 2, input.end()},
          {extents.begin() + 2, extents.end()},
          inner_axis(scope.memory_order(0)) - 2};
}

void max_pool_loops(ir::LoopScope& scope) {
  const Window window = checked_window(scope.attrs(), scope.attrs().integers("kernel"));
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  pool_loops(scope, geometry_of(scope, window, extents), extents,
             {lowest(builder, dtype), [&](E best, E x) { return builder.max(best, x); },
              [](E best, std::span<const E>) { return best; }});
}

void average_pool_loops(ir::LoopScope& scope) {
  const Window window = checked_window(scope.attrs(), scope.attrs().integers("kernel"));
  ir::LoopBuilder& builder = scope.builder();
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const WindowLoops geometry = geometry_of(scope, window, extents);
  const bool count_pads = scope.attrs().flag("count_pads");
  const auto average = [&](E sum, std::span<const E> position) {
    E count = builder.integer(1);
    for (size_t axis = 0; axis < window.size(); ++axis) {
      const E size = geometry.input_size[axis];
      if (count_pads) {
        count = count * padded_taps(window[axis], position[axis], size);
      } else {
        const Range<E> taps = taps_inside(window[axis], position[axis], size);
        count = count * (taps.end - taps.begin);
      }
    }
    return sum / builder.cast(count, dtype);
  };
  pool_loops(scope, geometry, extents,
             {builder.literal(0, {dtype}), [](E sum, E x) { return sum + x; }, average});
}

}  // namespace

template <>
Operator define<ir::Op::kMaxPool>() {
  return {infer_max_pool, evaluate_max_pool, max_pool_loops};
}

template <>
Operator define<ir::Op::kAveragePool>() {
  return {infer_average_pool, in_compute_type<evaluate_average_pool>, average_pool_loops};
}

}  // namespace tenon::ops
