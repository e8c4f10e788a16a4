// matmul: a [..., M, K] times b [..., K, N], leading axes broadcast. With the attribute `packed`
// (a width W > 0), b is the result of pack_matrix and `columns` is N.
// pack_matrix: [..., K, N], or [..., N, K] if `transposed`, to panels of W columns,
// [..., ceil(N / W), K, W], zero padded.
#include "ops/compute.h"
#include "ops/loops.h"
#include "ops/op.h"
#include "ops/shape.h"
#include "ops/strided.h"

namespace tenon::ops {
namespace {

using ir::E;

Inferred infer_pack_matrix(InferContext& context) {
  const ir::TensorType& b = *context.operands[0];
  const int64_t width = context.attrs.integer("width");
  if (width < 1) return wrong("panel width {} is not positive", width);
  if (b.rank() < 2) return wrong("a matrix has at least 2 axes, not {}", b.rank());
  std::vector<ir::Dim> dims(b.dims.begin(), b.dims.end() - 2);
  ir::Dim rows = b.dims[b.rank() - 2], columns = b.dims.back();
  if (context.attrs.flag_or("transposed", false)) std::swap(rows, columns);
  dims.push_back(context.dims.ceil_div(columns, width));
  dims.push_back(rows);
  dims.emplace_back(width);
  return std::vector{ir::TensorType{b.dtype, std::move(dims)}};
}

/// The matrix that a packed operand holds: [..., K, N], N from the attribute.
std::expected<ir::TensorType, std::string> unpacked(InferContext& context) {
  const ir::TensorType& b = *context.operands[1];
  const int64_t width = context.attrs.integer("packed");
  const int64_t columns = context.attrs.integer_or("columns", 0);
  if (b.rank() < 3 || !b.dims.back().is(width) ||
      !b.dims[b.rank() - 3].is((columns + width - 1) / width)) {
    return wrong("{} does not hold {} columns in panels of {}", shape_text(context.dims, b.dims),
                 columns, width);
  }
  ir::TensorType type{b.dtype, {b.dims.begin(), b.dims.end() - 3}};
  type.dims.push_back(b.dims[b.rank() - 2]);
  type.dims.emplace_back(columns);
  return type;
}

Inferred infer_matmul(InferContext& context) {
  const ir::TensorType& a = *context.operands[0];
  ir::TensorType b = *context.operands[1];
  if (context.attrs.integer_or("packed", 0) != 0) {
    TENON_TRY(b, unpacked(context));
  }
  if (a.dtype != b.dtype) {
    return wrong("dtypes {} and {} differ", ir::to_string(a.dtype), ir::to_string(b.dtype));
  }
  if (a.dtype == ir::DType::kBool) return wrong("bool matrices do not multiply");
  const auto shapes = [&] {
    return shape_text(context.dims, a.dims) + " x " + shape_text(context.dims, b.dims);
  };
  if (a.rank() < 2 || b.rank() < 2) return wrong("matrices have at least 2 axes: {}", shapes());
  const ir::Dim inner = a.dims.back(), other = b.dims[b.rank() - 2];
  if (!context.dims.unify(inner, other)) {
    return wrong("inner dims {} and {} differ: {}", context.dims.to_string(inner),
                 context.dims.to_string(other), shapes());
  }
  const std::vector<ir::Dim> batches[] = {{a.dims.begin(), a.dims.end() - 2},
                                          {b.dims.begin(), b.dims.end() - 2}};
  TENON_TRY(std::vector<ir::Dim> dims, broadcast(batches, context.dims));
  dims.push_back(a.dims[a.rank() - 2]);
  dims.push_back(b.dims.back());
  return std::vector{ir::TensorType{a.dtype, std::move(dims)}};
}

/// Calls `body(position in the matrices, position in the panels, elements)` for each run of
/// columns that lies contiguously in both.
template <class F>
void for_each_run(int64_t matrices, int64_t rows, int64_t columns, int64_t width, F&& body) {
  const int64_t panels = (columns + width - 1) / width;
  for (int64_t matrix = 0; matrix < matrices; ++matrix) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t count = std::min(width, columns - panel * width);
      for (int64_t row = 0; row < rows; ++row) {
        body((matrix * rows + row) * columns + panel * width,
             ((matrix * panels + panel) * rows + row) * width, count);
      }
    }
  }
}

Evaluated evaluate_pack_matrix(EvaluateContext& context) {
  const Tensor& b = *context.operands[0];
  Tensor& result = *context.results[0];
  if (b.count() == 0) return {};
  const bool transposed = context.attrs.flag_or("transposed", false);
  int64_t rows = b.shape()[b.rank() - 2], columns = b.shape().back();
  if (transposed) std::swap(rows, columns);
  const int64_t width = context.attrs.integer("width");
  if (columns % width != 0) std::memset(result.bytes(), 0, result.byte_count());
  const int64_t size = ir::size_of(b.dtype()), matrices = b.count() / (rows * columns);
  if (transposed) {
    const int64_t panels = result.count() / (matrices * rows * width);
    for (int64_t panel = 0; panel < matrices * panels; ++panel) {
      const int64_t first = panel % panels * width;
      transpose(b.dtype(), b.bytes() + (panel / panels * columns + first) * rows * size, rows,
                std::min(width, columns - first), rows,
                result.bytes() + panel * rows * width * size, width);
    }
    return {};
  }
  for_each_run(matrices, rows, columns, width, [&](int64_t from, int64_t to, int64_t count) {
    std::memcpy(result.bytes() + to * size, b.bytes() + from * size, count * size);
  });
  return {};
}

Tensor unpack(const Tensor& packed, int64_t columns) {
  std::vector<int64_t> shape(packed.shape().begin(), packed.shape().end() - 3);
  const int64_t rows = packed.shape()[packed.rank() - 2], width = packed.shape().back();
  shape.push_back(rows);
  shape.push_back(columns);
  Tensor result(packed.dtype(), shape);
  if (result.count() == 0) return result;
  const int64_t size = ir::size_of(packed.dtype());
  for_each_run(result.count() / (rows * columns), rows, columns, width,
               [&](int64_t to, int64_t from, int64_t count) {
                 std::memcpy(result.bytes() + to * size, packed.bytes() + from * size,
                             count * size);
               });
  return result;
}

/// Which matrix of an operand belongs to matrix `batch` of the result.
int64_t broadcast_batch(int64_t batch, const Tensor& operand, const Tensor& result) {
  int64_t matrix = 0, stride = 1;
  const int64_t shift = result.rank() - operand.rank();
  for (int64_t axis = result.rank() - 3; axis >= 0; --axis) {
    const int64_t i = batch % result.shape()[axis];
    batch /= result.shape()[axis];
    if (axis < shift) continue;
    const int64_t size = operand.shape()[axis - shift];
    if (size != 1) matrix += i * stride;
    stride *= size;
  }
  return matrix;
}

Evaluated evaluate_matmul(EvaluateContext& context) {
  const Tensor& a = *context.operands[0];
  Tensor& result = *context.results[0];
  const Tensor b = context.attrs.integer_or("packed", 0) != 0
                       ? unpack(*context.operands[1], result.shape().back())
                       : *context.operands[1];
  std::memset(result.bytes(), 0, result.byte_count());
  if (result.count() == 0) return {};
  const int64_t m = result.shape()[result.rank() - 2], n = result.shape().back();
  const int64_t k = a.shape().back();
  dispatch_arithmetic(a.dtype(), [&]<class T>() {
    for (int64_t batch = 0; batch < result.count() / (m * n); ++batch) {
      const T* left = a.as<T>().data() + broadcast_batch(batch, a, result) * m * k;
      const T* right = b.as<T>().data() + broadcast_batch(batch, b, result) * k * n;
      multiply_matrices(m, n, k, left, k, right, n, result.as<T>().data() + batch * m * n, n);
    }
  });
  return {};
}

void pack_matrix_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& type = scope.result_type(0);
  const std::vector<E> extents = extents_of(scope, type);
  const int lane_axis = static_cast<int>(type.rank()) - 1;
  const ir::TensorType& matrix = scope.operand_type(0);
  const bool transposed = scope.attrs().flag_or("transposed", false);
  const E columns = scope.dim(matrix.dims[matrix.rank() - (transposed ? 2 : 1)]);
  const E width = extents[lane_axis];
  const std::vector<int> outer = without(scope.memory_order(0), lane_axis);
  const std::vector<E> target = tasks_over(builder, extents, outer);
  const E first = builder.let("first", target[lane_axis - 2] * width);
  std::vector<E> source(target.begin(), target.end() - 3);
  source.push_back(target[lane_axis - 1]);
  source.push_back(first);
  const size_t column = source.size() - (transposed ? 2 : 1);
  if (transposed) source[column + 1] = target[lane_axis - 1];
  std::vector<E> index = target;
  const E filled = builder.let("filled", builder.min(width, columns - first));
  builder.loop(
      "lane", filled,
      [&](E lane) {
        source[column] = first + lane;
        index.back() = lane;
        scope.store(0, index, scope.load(0, source));
      },
      ir::LoopKind::kVector);
  builder.loop("lane", filled, width, 1, [&](E lane) {
    index.back() = lane;
    scope.store(0, index, builder.literal(0, {ir::compute_type(type.dtype)}));
  });
}

/// One task per row along the result's inner axis in memory (of its last two), which scratch
/// memory accumulates.
void matmul_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType &a = scope.operand_type(0), &b = scope.operand_type(1);
  const ir::TensorType& type = scope.result_type(0);
  const std::vector<E> extents = extents_of(scope, type);
  const int column_axis = static_cast<int>(type.rank()) - 1, row_axis = column_axis - 1;
  const std::vector<int> order = scope.memory_order(0);
  const bool along_rows = order.back() == row_axis;
  const int inner = along_rows ? row_axis : column_axis;
  const int64_t packed = scope.attrs().integer_or("packed", 0);
  const E width = packed != 0 ? builder.integer(packed) : extents[column_axis];

  std::vector<E> index = tasks_over(builder, extents, without(order, inner));
  const auto load_a = [&](E m, E k) {
    std::vector<E> at(index);
    at[row_axis] = m;
    at[column_axis] = k;
    return scope.load(0, broadcast_index(builder, {a.dtype, a.dims}, at));
  };
  const auto load_b = [&](E k, E panel, E lane) {
    std::vector<E> at(index.begin(), index.end() - 2);
    if (packed != 0) at.push_back(panel);
    at.push_back(k);
    at.push_back(lane);
    return scope.load(1, broadcast_index(builder, b, at));
  };
  const ir::DType dtype = ir::compute_type(type.dtype);
  Scratch sums(builder, "sums", dtype, extents[inner]);
  sums.fill(builder.literal(0, {dtype}));
  const auto accumulate = [&](E i, E x, E y) { sums.set(i, multiply_add(builder, x, y, sums[i])); };
  builder.loop("k", scope.dim(a.dims.back()), [&](E k) {
    if (along_rows) {
      const E n = index[column_axis];
      const E panel = packed != 0 ? builder.floor_div(n, width) : builder.integer(0);
      const E y = builder.let("y", load_b(k, panel, n - panel * width));
      builder.loop(
          "m", extents[row_axis], [&](E m) { accumulate(m, load_a(m, k), y); },
          ir::LoopKind::kVector);
      return;
    }
    const E x = builder.let("x", load_a(index[row_axis], k));
    const auto columns = [&](E panel, E count) {
      builder.loop(
          "lane", count,
          [&](E lane) { accumulate(panel * width + lane, x, load_b(k, panel, lane)); },
          ir::LoopKind::kVector);
    };
    if (packed == 0) return columns(builder.integer(0), width);
    builder.loop("panel", scope.dim(b.dims[b.rank() - 3]), [&](E panel) {
      columns(panel, builder.min(width, extents[column_axis] - panel * width));
    });
  });
  builder.loop(
      "i", extents[inner],
      [&](E i) {
        index[inner] = i;
        scope.store(0, index, sums[i]);
      },
      ir::LoopKind::kVector);
}

}  // namespace

template <>
Operator define<ir::Op::kMatMul>() {
  return {infer_matmul, in_compute_type<evaluate_matmul>, matmul_loops};
}

template <>
Operator define<ir::Op::kPackMatrix>() {
  return {infer_pack_matrix, evaluate_pack_matrix, pack_matrix_loops};
}

}  // namespace tenon::ops
