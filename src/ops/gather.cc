// gather: slices of x along one axis, at indices of any shape, whose axes take that axis's place.
// gather_elements: one element of x per index, moved along one axis.
// gather_nd: slices of x at index tuples in the last axis of the indices, after common batch axes.
#include "ops/index.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer_gather(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &indices = *context.operands[1];
  TENON_TRY_DO(check_index_dtype(indices.dtype));
  TENON_TRY(size_t axis, axis_of(context.attrs, x.rank()));
  ir::TensorType result = x;
  auto at = result.dims.erase(result.dims.begin() + static_cast<ptrdiff_t>(axis));
  result.dims.insert(at, indices.dims.begin(), indices.dims.end());
  return std::vector{std::move(result)};
}

Evaluated evaluate_gather(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const auto axis = static_cast<size_t>(context.attrs.integer("axis"));
  const Tensor indices = context.operands[1]->cast(ir::DType::kInt64);
  const int64_t extent = x.shape()[axis];
  std::vector<size_t> positions;
  for (int64_t index : indices.as<int64_t>()) {
    TENON_TRY(int64_t position, position_of(index, axis, extent));
    positions.push_back(static_cast<size_t>(position));
  }
  const size_t run = static_cast<size_t>(dense_strides(x.shape())[axis] * ir::size_of(x.dtype()));
  const size_t slice = static_cast<size_t>(extent) * run;
  std::byte* target = context.results[0]->bytes();
  for (size_t first = 0; first < x.byte_count(); first += slice) {
    for (size_t position : positions) {
      std::memcpy(target, x.bytes() + first + position * run, run);
      target += run;
    }
  }
  return {};
}

/// Runs `element` for every element of the row, after `prepare`, which checks and keeps what the
/// indices say: once, where the row runs along an axis that they do not have.
void for_each_gathered(ir::LoopScope& scope, std::vector<ir::E>& index, const Row& row,
                       bool once_per_row, const ElementBody& prepare, const ElementBody& element) {
  if (once_per_row) {
    prepare(index);
    for_each_in(scope.builder(), index, row, element);
    return;
  }
  auto both = [&](std::span<const ir::E> at) {
    prepare(at);
    element(at);
  };
  for_each_in(scope.builder(), index, row, both, ir::LoopKind::kSerial);
}

void gather_to_loops(ir::LoopScope& scope) {
  const auto axis = static_cast<size_t>(scope.attrs().integer("axis"));
  const size_t index_rank = scope.operand_type(1).rank();
  ir::E extent = scope.dim(scope.operand_type(0).dims[axis]);
  for_each_row(scope, [&](std::vector<ir::E>& index, const Row& row) {
    const bool along_data =
        row.axis < static_cast<int>(axis) || row.axis >= static_cast<int>(axis + index_rank);
    ir::E position;
    auto prepare = [&](std::span<const ir::E> at) {
      position = load_position(scope, 1, at.subspan(axis, index_rank), extent);
    };
    auto element = [&](std::span<const ir::E> at) {
      std::vector<ir::E> from(at.begin(), at.begin() + static_cast<ptrdiff_t>(axis));
      from.push_back(position);
      from.insert(from.end(), at.begin() + static_cast<ptrdiff_t>(axis + index_rank), at.end());
      scope.store(0, at, scope.load(0, from));
    };
    for_each_gathered(scope, index, row, along_data, prepare, element);
  });
}

Inferred infer_gather_elements(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &indices = *context.operands[1];
  TENON_TRY_DO(check_index_dtype(indices.dtype));
  TENON_TRY(size_t axis, axis_of(context.attrs, x.rank()));
  bool fits = indices.rank() == x.rank();
  for (size_t i = 0; fits && i < x.rank(); ++i) {
    ir::Dim beyond = context.dims.sub(indices.dims[i], x.dims[i]);
    fits = i == axis || !beyond.is_constant() || beyond.value() <= 0;
  }
  if (!fits) {
    return wrong("indices {} do not fit into {}", shape_text(context.dims, indices.dims),
                 shape_text(context.dims, x.dims));
  }
  return std::vector{ir::TensorType{x.dtype, indices.dims}};
}

Evaluated evaluate_gather_elements(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  const auto axis = static_cast<size_t>(context.attrs.integer("axis"));
  const Tensor indices = context.operands[1]->cast(ir::DType::kInt64);
  const std::vector<int64_t> strides = dense_strides(x.shape());
  const auto element = static_cast<size_t>(ir::size_of(x.dtype()));
  for (int64_t i = 0; i < indices.count(); ++i) {
    int64_t rest = i, from = 0;
    for (size_t a = strides.size(); a-- > 0;) {
      if (a != axis) from += rest % indices.shape()[a] * strides[a];
      rest /= indices.shape()[a];
    }
    TENON_TRY(int64_t position, position_of(indices.integer(i), axis, x.shape()[axis]));
    from += position * strides[axis];
    std::memcpy(result.bytes() + static_cast<size_t>(i) * element,
                x.bytes() + static_cast<size_t>(from) * element, element);
  }
  return {};
}

void gather_elements_to_loops(ir::LoopScope& scope) {
  const auto axis = static_cast<size_t>(scope.attrs().integer("axis"));
  ir::E extent = scope.dim(scope.operand_type(0).dims[axis]);
  for_each_element(
      scope,
      [&](std::span<const ir::E> index) {
        std::vector<ir::E> from(index.begin(), index.end());
        from[axis] = load_position(scope, 1, index, extent);
        scope.store(0, index, scope.load(0, from));
      },
      ir::LoopKind::kSerial);
}

Inferred infer_gather_nd(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &indices = *context.operands[1];
  TENON_TRY_DO(check_index_dtype(indices.dtype));
  const int64_t batch = context.attrs.integer("batch_dims");
  auto text = [&] {
    return fmt::format("x {} and indices {}", shape_text(context.dims, x.dims),
                       shape_text(context.dims, indices.dims));
  };
  if (batch < 0 || batch >= static_cast<int64_t>(indices.rank())) {
    return wrong("{} batch axes of {}", batch, text());
  }
  const ir::Dim tuple = indices.dims.back();
  if (!tuple.is_constant()) {
    return wrong("the last axis of {} must be a number", text());
  }
  if (batch + tuple.value() > static_cast<int64_t>(x.rank())) {
    return wrong("index tuples are longer than x has axes: {}", text());
  }
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i) {
    if (x.dims[i] != indices.dims[i]) return wrong("batch axis {} differs: {}", i, text());
  }
  ir::TensorType result{x.dtype, {indices.dims.begin(), indices.dims.end() - 1}};
  result.dims.insert(result.dims.end(), x.dims.begin() + batch + tuple.value(), x.dims.end());
  return std::vector{std::move(result)};
}

Evaluated evaluate_gather_nd(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  const auto batch = static_cast<size_t>(context.attrs.integer("batch_dims"));
  const Tensor indices = context.operands[1]->cast(ir::DType::kInt64);
  const auto tuple = static_cast<size_t>(indices.shape().back());
  std::vector<int64_t> strides = dense_strides(x.shape());
  int64_t run = 1, batches = 1;
  for (size_t i = batch + tuple; i < strides.size(); ++i) run *= x.shape()[i];
  for (size_t i = 0; i < batch; ++i) batches *= x.shape()[i];
  const int64_t tuples = context.results[0]->count() / std::max<int64_t>(run, 1);
  const int64_t tuples_per_batch = std::max<int64_t>(tuples / std::max<int64_t>(batches, 1), 1);
  const int64_t batch_elements = x.count() / std::max<int64_t>(batches, 1);
  const size_t bytes = static_cast<size_t>(run * ir::size_of(x.dtype()));
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t from = t / tuples_per_batch * batch_elements;
    for (size_t i = 0; i < tuple; ++i) {
      const int64_t index =
          indices.integer(t * static_cast<int64_t>(tuple) + static_cast<int64_t>(i));
      TENON_TRY(int64_t position, position_of(index, batch + i, x.shape()[batch + i]));
      from += position * strides[batch + i];
    }
    std::memcpy(context.results[0]->bytes() + static_cast<size_t>(t) * bytes,
                x.bytes() + static_cast<size_t>(from * ir::size_of(x.dtype())), bytes);
  }
  return {};
}

void gather_nd_to_loops(ir::LoopScope& scope) {
  const ir::TensorType &x = scope.operand_type(0), &indices = scope.operand_type(1);
  const auto batch = static_cast<size_t>(scope.attrs().integer("batch_dims"));
  const auto tuple = static_cast<size_t>(indices.dims.back().value());
  const size_t outer = indices.rank() - 1;  // axes of the result that the indices have
  for_each_row(scope, [&](std::vector<ir::E>& index, const Row& row) {
    std::vector<ir::E> positions;
    auto prepare = [&](std::span<const ir::E> at) {
      positions.clear();
      std::vector<ir::E> where(at.begin(), at.begin() + static_cast<ptrdiff_t>(outer));
      where.emplace_back();
      for (size_t i = 0; i < tuple; ++i) {
        where.back() = scope.builder().integer(static_cast<int64_t>(i));
        positions.push_back(load_position(scope, 1, where, scope.dim(x.dims[batch + i])));
      }
    };
    auto element = [&](std::span<const ir::E> at) {
      std::vector<ir::E> from(at.begin(), at.begin() + static_cast<ptrdiff_t>(batch));
      from.insert(from.end(), positions.begin(), positions.end());
      from.insert(from.end(), at.begin() + static_cast<ptrdiff_t>(outer), at.end());
      scope.store(0, at, scope.load(0, from));
    };
    for_each_gathered(scope, index, row, row.axis >= static_cast<int>(outer), prepare, element);
  });
}

}  // namespace

template <>
Operator define<ir::Op::kGather>() {
  return {infer_gather, evaluate_gather, gather_to_loops};
}

template <>
Operator define<ir::Op::kGatherElements>() {
  return {infer_gather_elements, evaluate_gather_elements, gather_elements_to_loops};
}

template <>
Operator define<ir::Op::kGatherNd>() {
  return {infer_gather_nd, evaluate_gather_nd, gather_nd_to_loops};
}

}  // namespace tenon::ops
