// resize: each axis is sampled at its own coordinates, as ONNX Resize defines them.
//
//   coordinates  half_pixel, pytorch_half_pixel, align_corners, asymmetric, half_pixel_symmetric
//   mode         nearest, by `nearest`: round_prefer_floor, round_prefer_ceil, floor, ceil;
//                linear; cubic with the coefficient `cubic`
//   scales       one per axis: result size over operand size where it is not given otherwise
//
// Samples outside are the edge's; with `exclude_outside` they weigh nothing and the others more.
#include <algorithm>
#include <numeric>

#include "ops/element.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

constexpr std::string_view kCoordinates[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                             "asymmetric", "half_pixel_symmetric"};
constexpr std::string_view kNearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                         "ceil"};
constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};

Inferred infer(InferContext& context) {
  const ir::TensorType& x = *context.operands[0];
  const std::vector<ir::Dim>& dims = context.attrs.dims("dims");
  const std::vector<double>& scales = context.attrs.numbers("scales");
  if (dims.size() != x.rank() || scales.size() != x.rank()) {
    return wrong("{} sizes and {} scales for {} axes", dims.size(), scales.size(), x.rank());
  }
  auto one_of = [&](std::string_view attribute,
                    std::span<const std::string_view> legal) -> std::expected<void, std::string> {
    const std::string& text = context.attrs.text(attribute);
    if (std::ranges::find(legal, text) != legal.end()) return {};
    return wrong("unknown {} '{}'; there are {}", attribute, text, fmt::join(legal, ", "));
  };
  TENON_TRY_DO(one_of("mode", kModes));
  TENON_TRY_DO(one_of("coordinates", kCoordinates));
  TENON_TRY_DO(one_of("nearest", kNearest));
  if (x.dtype == ir::DType::kBool && context.attrs.text("mode") != "nearest") {
    return wrong("mode {} needs numbers, not bool", context.attrs.text("mode"));
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    if (x.dims[i].is(0) && !dims[i].is(0)) {
      return wrong("{} has no elements to sample along axis {}", shape_text(context.dims, x.dims),
                   i);
    }
    if (scales[i] <= 0) return wrong("scale {} along axis {}", scales[i], i);
  }
  return std::vector{ir::TensorType{x.dtype, dims}};
}

/// The arithmetic of a sampling rule, for numbers of one type: doubles, or expressions.
template <class N>
struct Arithmetic;

template <>
struct Arithmetic<double> {
  double number(double value) const { return value; }
  double floor(double a) const { return std::floor(a); }
  double ceil(double a) const { return std::ceil(a); }
  double abs(double a) const { return std::fabs(a); }
  double clamp(double a, double low, double high) const {
    return std::fmin(std::fmax(a, low), high);
  }
  double if_less(double a, double b, double then, double otherwise) const {
    return a < b ? then : otherwise;
  }
};

template <>
struct Arithmetic<ir::E> {
  ir::LoopBuilder& builder;
  ir::E number(double value) const { return builder.number(value, {ir::DType::kFloat64, 1}); }
  ir::E floor(ir::E a) const { return builder.unary(ir::ExprKind::kFloor, a); }
  ir::E ceil(ir::E a) const { return builder.unary(ir::ExprKind::kCeil, a); }
  ir::E abs(ir::E a) const { return builder.unary(ir::ExprKind::kAbs, a); }
  ir::E clamp(ir::E a, ir::E low, ir::E high) const {
    return builder.min(builder.max(a, low), high);
  }
  ir::E if_less(ir::E a, ir::E b, ir::E then, ir::E otherwise) const {
    return builder.select(a < b, then, otherwise);
  }
};

/// One axis: sizes as numbers of type N.
template <class N>
struct Axis {
  N from, to;
  double scale;
};

/// Where result position `i` lies in the operand.
template <class N>
N coordinate(const Arithmetic<N>& math, std::string_view rule, const Axis<N>& axis, N i) {
  const N half = math.number(0.5), one = math.number(1), zero = math.number(0);
  const N scale = math.number(axis.scale);
  if (rule == "asymmetric") return i / scale;
  if (rule == "align_corners") {
    N steps = math.if_less(one, axis.to, axis.to - one, one);
    return math.if_less(one, axis.to, i * (axis.from - one) / steps, zero);
  }
  N centre = (i + half) / scale - half;
  if (rule == "pytorch_half_pixel") return math.if_less(one, axis.to, centre, zero);
  if (rule == "half_pixel_symmetric") {
    N shrink = axis.to / (scale * axis.from);
    return axis.from * half * (one - shrink) + centre;
  }
  return centre;
}

template <class N>
N nearest(const Arithmetic<N>& math, std::string_view rule, N x) {
  if (rule == "floor") return math.floor(x);
  if (rule == "ceil") return math.ceil(x);
  if (rule == "round_prefer_floor") return math.ceil(x - math.number(0.5));
  return math.floor(x + math.number(0.5));
}

/// The weight of a sample at this distance (Keys' cubic convolution with coefficient a).
template <class N>
N cubic_weight(const Arithmetic<N>& math, double coefficient, N distance) {
  const N a = math.number(coefficient), one = math.number(1);
  N d = math.abs(distance);
  N near = ((a + math.number(2)) * d - (a + math.number(3))) * d * d + one;
  N far = ((a * d - a * math.number(5)) * d + a * math.number(8)) * d - a * math.number(4);
  return math.if_less(one, d, far, near);
}

template <class N>
struct Sample {
  N position;  // along the axis, in range
  N weight;
};

/// What one position of the result reads along one axis.
template <class N>
std::vector<Sample<N>> samples(const Arithmetic<N>& math, const ir::Attrs& attrs,
                               const Axis<N>& axis, N i) {
  const std::string& mode = attrs.text("mode");
  const N zero = math.number(0), one = math.number(1), last = axis.from - one;
  N x = coordinate(math, attrs.text("coordinates"), axis, i);
  if (mode == "nearest") {
    return {{math.clamp(nearest(math, attrs.text("nearest"), x), zero, last), one}};
  }
  const int first = mode == "cubic" ? -1 : 0, count = mode == "cubic" ? 4 : 2;
  const N base = math.floor(x);
  std::vector<Sample<N>> result;
  N total = zero;
  for (int k = first; k < first + count; ++k) {
    N position = base + math.number(k);
    N weight = mode == "cubic" ? cubic_weight(math, attrs.number("cubic"), x - position)
                               : one - math.abs(x - position);
    if (attrs.flag("exclude_outside")) {
      weight = math.if_less(position, zero, zero, weight);
      weight = math.if_less(last, position, zero, weight);
    }
    total = total + weight;
    result.push_back({math.clamp(position, zero, last), weight});
  }
  if (attrs.flag("exclude_outside")) {
    for (Sample<N>& sample : result) sample.weight = sample.weight / total;
  }
  return result;
}

/// Whether anything happens along an axis.
bool is_sampled(const ir::Attrs& attrs, size_t axis, ir::Dim from, ir::Dim to) {
  return from != to || attrs.numbers("scales")[axis] != 1;
}

/// Takes `x` as [outer, from, inner] and samples its middle axis.
template <class T, class Combine>
std::vector<T> resize_axis(const std::vector<T>& x, int64_t outer, int64_t from, int64_t to,
                           int64_t inner, Combine combine) {
  std::vector<T> result(static_cast<size_t>(outer * to * inner));
  T* target = result.data();
  for (int64_t line = 0; line < outer * to; ++line) {
    const T* source = x.data() + line / to * from * inner;
    for (int64_t i = 0; i < inner; ++i) *target++ = combine(line % to, source + i);
  }
  return result;
}

/// The result's elements, an axis at a time. T is wide enough for sums, or just holds an element.
template <class T>
std::vector<T> resize(EvaluateContext& context, std::vector<T> values) {
  std::vector<int64_t> shape = context.operands[0]->shape();
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t from = shape[axis], to = context.results[0]->shape()[axis];
    if (!is_sampled(context.attrs, axis, from, to)) continue;
    const Axis<double> sizes{static_cast<double>(from), static_cast<double>(to),
                             context.attrs.numbers("scales")[axis]};
    std::vector<std::vector<Sample<double>>> table;
    for (int64_t i = 0; i < to; ++i) {
      table.push_back(samples(Arithmetic<double>{}, context.attrs, sizes, static_cast<double>(i)));
    }
    auto product = [](std::span<const int64_t> sizes_of_axes) {
      return std::accumulate(sizes_of_axes.begin(), sizes_of_axes.end(), int64_t{1},
                             std::multiplies<>());
    };
    const std::span<const int64_t> all = shape;
    const int64_t outer = product(all.first(axis)), inner = product(all.subspan(axis + 1));
    auto combine = [&](int64_t i, const T* source) {
      const std::vector<Sample<double>>& taken = table[static_cast<size_t>(i)];
      auto element = [&](const Sample<double>& sample) {
        return source[static_cast<int64_t>(sample.position) * inner];
      };
      if constexpr (std::floating_point<T>) {
        if (taken.size() > 1) {
          T sum = 0;
          for (const Sample<double>& sample : taken) sum += sample.weight * element(sample);
          return sum;
        }
      }
      return element(taken.front());
    };
    values = resize_axis(values, outer, from, to, inner, combine);
    shape[axis] = to;
  }
  return values;
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  dispatch(result.dtype(), [&]<class T>() {
    // Elements that are only moved are a struct: std::vector<bool> has none.
    struct Element {
      T value;
    };
    if (context.attrs.text("mode") == "nearest") {
      std::vector<Element> values(static_cast<size_t>(x.count()));
      std::memcpy(values.data(), x.bytes(), x.byte_count());
      values = resize(context, std::move(values));
      std::memcpy(result.bytes(), values.data(), result.byte_count());
      return;
    }
    std::vector<double> values(x.as<T>().size());
    std::ranges::transform(x.as<T>(), values.begin(), convert<double, T>);
    values = resize(context, std::move(values));
    std::ranges::transform(values, result.as<T>().begin(), convert<T, double>);
  });
  return {};
}

/// A whole factor that makes the nearest sample of position i the one at i / factor; 0: there is
/// none.
int64_t whole_factor(const ir::Attrs& attrs, size_t axis, ir::Dim from, ir::Dim to) {
  const double scale = attrs.numbers("scales")[axis];
  const std::string &coordinates = attrs.text("coordinates"), &rule = attrs.text("nearest");
  const bool centred = coordinates == "half_pixel" || coordinates == "pytorch_half_pixel";
  const bool repeats =
      coordinates == "asymmetric" ? rule == "floor" : centred && rule.starts_with("round_prefer");
  if (attrs.text("mode") != "nearest" || !repeats || scale != std::floor(scale)) return 0;
  if (!from.is_constant() || !to.is_constant()) return 0;
  const auto factor = static_cast<int64_t>(scale);
  return to.value() == from.value() * factor ? factor : 0;
}

class ResizeLoops {
 public:
  explicit ResizeLoops(ir::LoopScope& scope) : scope_(scope), builder_(scope.builder()) {
    const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
    sum_ = ir::is_float(dtype) ? dtype : ir::DType::kFloat64;
  }

  /// Samples along one axis for the result's position `i`, weights in the type of the sum.
  std::vector<Sample<ir::E>> taken(size_t axis, ir::E i) {
    const ir::Attrs& attrs = scope_.attrs();
    const ir::Dim from = scope_.operand_type(0).dims[axis], to = scope_.result_type(0).dims[axis];
    const ir::E one = builder_.number(1, {sum_, 1});
    if (!is_sampled(attrs, axis, from, to)) return {{i, one}};
    if (int64_t factor = whole_factor(attrs, axis, from, to)) return {{i / factor, one}};
    const Arithmetic<ir::E> math{builder_};
    auto wide = [&](ir::E e) { return builder_.cast(e, ir::DType::kFloat64); };
    const Axis<ir::E> sizes{wide(scope_.dim(from)), wide(scope_.dim(to)),
                            attrs.numbers("scales")[axis]};
    std::vector<Sample<ir::E>> result = samples(math, attrs, sizes, wide(i));
    for (Sample<ir::E>& sample : result) {
      sample.position = builder_.cast(sample.position, ir::DType::kInt64);
      sample.weight = builder_.cast(sample.weight, sum_);
    }
    return result;
  }

  /// The result element from the samples along each axis.
  ir::E element(std::span<const std::vector<Sample<ir::E>>> by_axis) {
    std::vector<ir::E> index(by_axis.size());
    if (scope_.attrs().text("mode") == "nearest") {
      for (size_t axis = 0; axis < index.size(); ++axis) index[axis] = by_axis[axis][0].position;
      return scope_.load(0, index);
    }
    std::function<ir::E(size_t)> sum_from = [&](size_t axis) {
      if (axis == by_axis.size()) return builder_.cast(scope_.load(0, index), sum_);
      ir::E sum;
      for (const Sample<ir::E>& sample : by_axis[axis]) {
        index[axis] = sample.position;
        ir::E rest = sum_from(axis + 1);
        ir::E term = by_axis[axis].size() == 1 ? rest : sample.weight * rest;
        sum = sum.builder == nullptr ? term : sum + term;
      }
      return sum;
    };
    return builder_.cast(sum_from(0), ir::compute_type(scope_.result_type(0).dtype));
  }

  void emit() {
    // The sampling of all axes but the row's is the same for the whole row.
    for_each_row(scope_, [&](std::vector<ir::E>& index, const Row& row) {
      std::vector<std::vector<Sample<ir::E>>> by_axis;
      for (size_t axis = 0; axis < index.size(); ++axis) {
        by_axis.emplace_back();
        if (static_cast<int>(axis) == row.axis) continue;
        by_axis[axis] = taken(axis, index[axis]);
        for (Sample<ir::E>& sample : by_axis[axis]) {
          sample.position = builder_.let("position", sample.position);
          sample.weight = builder_.let("weight", sample.weight);
        }
      }
      for_each_in(builder_, index, row, [&](std::span<const ir::E> at) {
        if (row.axis >= 0) {
          const auto axis = static_cast<size_t>(row.axis);
          by_axis[axis] = taken(axis, at[axis]);
        }
        scope_.store(0, at, element(by_axis));
      });
    });
  }

 private:
  ir::LoopScope& scope_;
  ir::LoopBuilder& builder_;
  ir::DType sum_;
};

void to_loops(ir::LoopScope& scope) { ResizeLoops(scope).emit(); }

}  // namespace

template <>
Operator define<ir::Op::kResize>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
