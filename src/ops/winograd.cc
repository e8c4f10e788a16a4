// A convolution of kernel 3x3 and stride 1 by Winograd's algorithm (base/winograd.h), in tiles of
// `tile` x `tile` outputs.
//
// winograd_filter: w [M, C, 3, 3] to panels of W output channels, [ceil(M / W), products, C, W],
// zero padded; computed in float64 and rounded once.
// winograd_conv: x [N, C, H, W], u from winograd_filter, optional b [M]; `pads` are begins, then
// ends; `channels` is M.
//
// The error of a result is at most (C + 24) * 2^-24 * a * sum |w| * max |x| over its filter and its
// tile's inputs, with a = 16 for tiles of two and a = 205 for tiles of four: the largest product of
// the matrices' absolute values. On random data it is 0.7 and 2 times that of the direct sum.
#include "base/winograd.h"

#include <algorithm>
#include <array>

#include "base/vector_width.h"
#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace tenon::ops {
namespace {

using ir::E;

template <class Value>
using Grid = std::vector<std::vector<Value>>;

/// matrix * x * transposed(matrix). `combine(row, values)` is the sum of row[i] * values[i].
template <class Value, class Combine>
Grid<Value> on_both_sides(const Matrix& matrix, const Grid<Value>& x, Combine combine) {
  Grid<Value> result;
  for (const std::vector<double>& row : matrix) {
    std::vector<Value> line;
    for (size_t column = 0; column < x[0].size(); ++column) {
      std::vector<Value> values;
      for (const std::vector<Value>& from : x) values.push_back(from[column]);
      line.push_back(combine(row, values));
    }
    result.emplace_back();
    for (const std::vector<double>& other : matrix) result.back().push_back(combine(other, line));
  }
  return result;
}

template <class T>
T combine_numbers(const std::vector<double>& row, const std::vector<T>& values) {
  T sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += static_cast<T>(row[i]) * values[i];
  return sum;
}

auto combine_expressions(ir::LoopBuilder& builder) {
  return [&builder](const std::vector<double>& row, const std::vector<E>& values) {
    E sum = builder.literal(0, values[0].type());
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i] != 0) sum = builder.fma(values[i], builder.literal(row[i], sum.type()), sum);
    }
    return builder.let("t", sum);
  };
}

std::expected<Winograd, std::string> algorithm_of(const ir::Attrs& attrs) {
  const int64_t tile = attrs.integer("tile");
  if (tile != 2 && tile != 4) return wrong("tiles have 2 or 4 outputs along an axis, not {}", tile);
  return winograd(static_cast<int>(tile));
}

Inferred infer_filter(InferContext& context) {
  const ir::TensorType& w = *context.operands[0];
  const int64_t width = context.attrs.integer("width");
  if (width < 1) return wrong("panel width {} is not positive", width);
  TENON_TRY(const Winograd algorithm, algorithm_of(context.attrs));
  if (!ir::is_float(w.dtype) || !w.is_static() || w.rank() != 4 || !w.dims[2].is(3) ||
      !w.dims[3].is(3)) {
    return wrong("{} is no filter of floats with kernel 3x3", shape_text(context.dims, w.dims));
  }
  const int64_t panels = (w.dims[0].value() + width - 1) / width;
  return std::vector{ir::TensorType{w.dtype, {panels, algorithm.products(), w.dims[1], width}}};
}

/// Output channels that a filter's evaluation takes at once: the lanes of its innermost loops.
constexpr int64_t kBlock = 16;
using Lanes = std::array<double, kBlock>;

/// filter * w * transposed(filter) for one block of w, line by line.
TENON_FOR_EACH_VECTOR_WIDTH
void transform_block(const Matrix& filter, const std::array<Lanes, 9>& w, Lanes* products) {
  auto sum = [](const std::vector<double>& row, const Lanes& a, const Lanes& b, const Lanes& c,
                Lanes& result) {
    for (int64_t i = 0; i < kBlock; ++i) result[i] = row[0] * a[i] + row[1] * b[i] + row[2] * c[i];
  };
  for (const std::vector<double>& row : filter) {
    std::array<Lanes, 3> line;
    for (size_t k = 0; k < 3; ++k) sum(row, w[k], w[3 + k], w[6 + k], line[k]);
    for (const std::vector<double>& other : filter)
      sum(other, line[0], line[1], line[2], *products++);
  }
}

Evaluated evaluate_filter(EvaluateContext& context) {
  const Tensor& w = *context.operands[0];
  Tensor& u = *context.results[0];
  const Matrix filter = algorithm_of(context.attrs)->filter();
  const int64_t channels = w.shape()[1], width = u.shape()[3];
  std::vector<Lanes> products(filter.size() * filter.size());
  dispatch_float(w.dtype(), [&]<class T>() {
    for (int64_t at = 0; at < u.shape()[0] * channels; ++at) {
      const int64_t panel = at / channels, c = at % channels;
      T* to = u.as<T>().data() + (panel * u.shape()[1] * channels + c) * width;
      for (int64_t lane = 0; lane < width; lane += kBlock) {
        const int64_t first = panel * width + lane;
        const int64_t filled = std::clamp<int64_t>(w.shape()[0] - first, 0, kBlock);
        std::array<Lanes, 9> block = {};
        for (int64_t i = 0; i < std::min(filled, width - lane); ++i) {
          const T* taps = w.as<T>().data() + ((first + i) * channels + c) * 9;
          for (int64_t tap = 0; tap < 9; ++tap) block[tap][i] = taps[tap];
        }
        transform_block(filter, block, products.data());
        T* line_to = to + lane;
        for (const Lanes& values : products) {
          std::array<T, kBlock> line;
          for (int64_t i = 0; i < kBlock; ++i) line[i] = static_cast<T>(values[i]);
          std::copy_n(line.data(), std::min(kBlock, width - lane), line_to);
          line_to += channels * width;
        }
      }
    }
  });
  return {};
}

void filter_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const Matrix filter = algorithm_of(scope.attrs())->filter();
  const std::vector<E> extents = extents_of(scope, scope.result_type(0));
  std::vector<E> index = tasks_over(builder, extents, std::vector{0, 2});
  const E outputs = scope.dim(scope.operand_type(0).dims[0]);
  const ir::DType stored = ir::compute_type(scope.result_type(0).dtype);
  auto store = [&](E lane, const Grid<E>& values) {
    index[3] = lane;
    for (size_t i = 0; i < filter.size() * filter.size(); ++i) {
      index[1] = builder.integer(static_cast<int64_t>(i));
      scope.store(0, index, values[i / filter.size()][i % filter.size()]);
    }
  };
  const E first = builder.let("first", index[0] * extents[3]);
  const E filled = builder.let("filled", builder.min(extents[3], outputs - first));
  builder.loop(
      "lane", filled,
      [&](E lane) {
        Grid<E> taps(3);
        for (int64_t tap = 0; tap < 9; ++tap) {
          const E at[] = {first + lane, index[2], builder.integer(tap / 3),
                          builder.integer(tap % 3)};
          taps[tap / 3].push_back(
              builder.let("w", builder.cast(scope.load(0, at), ir::DType::kFloat64)));
        }
        Grid<E> values = on_both_sides(filter, taps, combine_expressions(builder));
        for (std::vector<E>& line : values) {
          for (E& value : line) value = builder.cast(value, stored);
        }
        store(lane, values);
      },
      ir::LoopKind::kVector);
  const E zero = builder.literal(0, {stored});
  builder.loop("lane", filled, extents[3], 1, [&](E lane) {
    store(lane, Grid<E>(filter.size(), std::vector<E>(filter.size(), zero)));
  });
}

Inferred infer_conv(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &u = *context.operands[1];
  const ir::TensorType* b = context.operands[2];
  TENON_TRY(const Winograd algorithm, algorithm_of(context.attrs));
  const int64_t channels = context.attrs.integer("channels");
  const bool panels = u.rank() == 4 && u.is_static() && u.dims[3].value() > 0 &&
                      u.dims[1].is(algorithm.products()) &&
                      u.dims[0].value() == (channels + u.dims[3].value() - 1) / u.dims[3].value();
  if (!panels) {
    return wrong("{} does not hold {} output channels for tiles of {}",
                 shape_text(context.dims, u.dims), channels, algorithm.outputs);
  }
  if (x.rank() != 4 || x.dims[1] != u.dims[2] || x.dtype != u.dtype) {
    return wrong("input {} and filter {} do not fit", shape_text(context.dims, x.dims),
                 shape_text(context.dims, u.dims));
  }
  if (b && !(b->rank() == 1 && b->dims[0].is(channels) && b->dtype == x.dtype)) {
    return wrong("bias {} is not [{}]", shape_text(context.dims, b->dims), channels);
  }
  const std::vector<int64_t>& pads = context.attrs.integers("pads");
  if (pads.size() != 4) return wrong("two spatial axes have 4 pads, not {}", pads.size());
  std::vector<ir::Dim> dims = {x.dims[0], channels};
  for (size_t axis = 0; axis < 2; ++axis) {
    dims.push_back(context.dims.add(x.dims[2 + axis], pads[axis] + pads[2 + axis] - 2));
    if (dims.back().is_constant() && dims.back().value() < 1) {
      return wrong("kernel 3x3 does not fit the padded input {}", shape_text(context.dims, x.dims));
    }
  }
  return std::vector{ir::TensorType{x.dtype, std::move(dims)}};
}

template <class T>
class Evaluation {
 public:
  Evaluation(EvaluateContext& context)
      : x_(*context.operands[0]),
        u_(*context.operands[1]),
        bias_(context.operands[2]),
        result_(*context.results[0]),
        pads_(context.attrs.integers("pads")),
        algorithm_(*algorithm_of(context.attrs)),
        channels_(x_.shape()[1]),
        width_(u_.shape()[3]),
        inputs_(channels_ * algorithm_.products()),
        products_(width_ * algorithm_.products()) {}

  void run() {
    const int64_t step = algorithm_.outputs;
    for (int64_t n = 0; n < result_.shape()[0]; ++n) {
      for (int64_t y = 0; y < result_.shape()[2]; y += step) {
        for (int64_t x = 0; x < result_.shape()[3]; x += step) tile(n, y, x);
      }
    }
  }

 private:
  void tile(int64_t n, int64_t y, int64_t x) {
    for (int64_t c = 0; c < channels_; ++c) {
      Grid<T> inputs(algorithm_.inputs());
      for (int64_t i = 0; i < algorithm_.inputs(); ++i) {
        for (int64_t j = 0; j < algorithm_.inputs(); ++j)
          inputs[i].push_back(input(n, c, y + i - pads_[0], x + j - pads_[1]));
      }
      int64_t product = 0;
      for (const auto& line : on_both_sides(algorithm_.input(), inputs, combine_numbers<T>)) {
        for (T value : line) inputs_[product++ * channels_ + c] = value;
      }
    }
    for (int64_t panel = 0; panel < u_.shape()[0]; ++panel) {
      std::ranges::fill(products_, T{});
      for (int64_t e = 0; e < algorithm_.products(); ++e) {
        const T* u = u_.as<T>().data() + (panel * algorithm_.products() + e) * channels_ * width_;
        multiply_matrices<T>(1, width_, channels_, inputs_.data() + e * channels_, channels_, u,
                             width_, products_.data() + e * width_, width_);
      }
      const int64_t first = panel * width_;
      for (int64_t m = first; m < std::min(first + width_, result_.shape()[1]); ++m)
        store(n, m, y, x, m - first);
    }
  }

  T input(int64_t n, int64_t c, int64_t y, int64_t x) const {
    const std::vector<int64_t>& shape = x_.shape();
    if (y < 0 || y >= shape[2] || x < 0 || x >= shape[3]) return 0;
    return x_.as<T>()[((n * channels_ + c) * shape[2] + y) * shape[3] + x];
  }

  void store(int64_t n, int64_t m, int64_t y, int64_t x, int64_t lane) {
    Grid<T> products(algorithm_.inputs());
    for (int64_t e = 0; e < algorithm_.products(); ++e)
      products[e / algorithm_.inputs()].push_back(products_[e * width_ + lane]);
    const Grid<T> results = on_both_sides(algorithm_.output(), products, combine_numbers<T>);
    const std::vector<int64_t>& shape = result_.shape();
    for (int64_t i = 0; i < std::min<int64_t>(algorithm_.outputs, shape[2] - y); ++i) {
      for (int64_t j = 0; j < std::min<int64_t>(algorithm_.outputs, shape[3] - x); ++j) {
        result_.as<T>()[((n * shape[1] + m) * shape[2] + y + i) * shape[3] + x + j] =
            results[i][j] + (bias_ ? bias_->as<T>()[m] : T{});
      }
    }
  }

  const Tensor &x_, &u_, *bias_;
  Tensor& result_;
  const std::vector<int64_t>& pads_;
  const Winograd algorithm_;
  const int64_t channels_, width_;
  std::vector<T> inputs_, products_;  // of a tile: by product, then channel
};

Evaluated evaluate_conv(EvaluateContext& context) {
  dispatch_float(context.results[0]->dtype(), [&]<class T>() { Evaluation<T>(context).run(); });
  return {};
}

/// One task per tile: all its transformed inputs, then channel by channel.
void conv_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& b = scope.builder();
  const Winograd algorithm = *algorithm_of(scope.attrs());
  const int inputs = algorithm.inputs(), outputs = algorithm.outputs;
  const std::vector<int64_t>& pads = scope.attrs().integers("pads");
  const std::vector<E> x = extents_of(scope, scope.operand_type(0));
  const std::vector<E> y = extents_of(scope, scope.result_type(0));
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const std::vector<E> tiles = {y[0], b.integer(1), (y[2] + (outputs - 1)) / outputs,
                                (y[3] + (outputs - 1)) / outputs};
  const std::vector<E> tile = tasks_over(b, tiles, std::vector{0, 2, 3});
  Scratch transformed(b, "v", dtype, x[1] * algorithm.products());
  Scratch products(b, "p", dtype, b.integer(algorithm.products()));

  b.loop("c", x[1], [&](E c) {
    Grid<E> grid(inputs);
    for (int i = 0; i < inputs * inputs; ++i) {
      const E row = b.let("row", tile[2] * outputs + (i / inputs - pads[0]));
      const E column = b.let("column", tile[3] * outputs + (i % inputs - pads[1]));
      const ir::R value = b.let_register("x", b.literal(0, {dtype}));
      const E inside = (row >= 0) & (row < x[2]) & (column >= 0) & (column < x[3]);
      b.if_then(inside,
                [&] { b.assign(value, scope.load(0, std::vector{tile[0], c, row, column})); });
      grid[i / inputs].push_back(value);
    }
    grid = on_both_sides(algorithm.input(), grid, combine_expressions(b));
    for (int i = 0; i < inputs * inputs; ++i)
      transformed.set(c + x[1] * i, grid[i / inputs][i % inputs]);
  });
  const int64_t width = scope.operand_type(1).dims[3].value();
  b.loop("m", y[1], [&](E m) {
    b.loop("e", products.extent(), [&](E e) {
      const ir::R sum = b.let_register("sum", b.literal(0, {dtype}));
      b.loop("c", x[1], [&](E c) {
        const E u = scope.load(1, std::vector{m / width, e, c, m % width});
        b.assign(sum, b.fma(transformed[e * x[1] + c], u, sum));
      });
      products.set(e, sum);
    });
    Grid<E> grid(inputs);
    for (int i = 0; i < inputs * inputs; ++i)
      grid[i / inputs].push_back(b.let("p", products[b.integer(i)]));
    grid = on_both_sides(algorithm.output(), grid, combine_expressions(b));
    for (int i = 0; i < outputs * outputs; ++i) {
      const E row = tile[2] * outputs + i / outputs, column = tile[3] * outputs + i % outputs;
      b.if_then((row < y[2]) & (column < y[3]), [&] {
        E value = grid[i / outputs][i % outputs];
        if (scope.has_operand(2)) value = value + scope.load(2, std::vector{m});
        scope.store(0, std::vector{tile[0], m, row, column}, value);
      });
    }
  });
}

}  // namespace

template <>
Operator define<ir::Op::kWinogradFilter>() {
  return {infer_filter, in_compute_type<evaluate_filter>, filter_loops};
}

template <>
Operator define<ir::Op::kWinogradConv>() {
  return {infer_conv, in_compute_type<evaluate_conv>, conv_loops};
}

}  // namespace tenon::ops
