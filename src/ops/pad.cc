// Grows (or, with negative amounts, crops) a tensor at both ends of each axis. What lies outside
// comes from `mode`: constant (the value, or zero), edge, reflect (without repeating the edge) or
// wrap.
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

Inferred infer(InferContext& context) {
  ir::TensorType result = *context.operands[0];
  const ir::TensorType* value = context.operands[1];
  const std::vector<ir::Dim>& before = context.attrs.dims("before");
  const std::vector<ir::Dim>& after = context.attrs.dims("after");
  const std::string& mode = context.attrs.text("mode");
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap") {
    return wrong("unknown mode '{}'", mode);
  }
  if (before.size() != result.rank() || after.size() != result.rank()) {
    return wrong("{} amounts before and {} after for {} axes", before.size(), after.size(),
                 result.rank());
  }
  if (value != nullptr && value->dtype != result.dtype) {
    return wrong("the value is {}, the tensor {}", to_string(value->dtype),
                 to_string(result.dtype));
  }
  if (value != nullptr && (!value->is_static() || value->element_count() != 1)) {
    return wrong("the value must be one number, not {}", shape_text(context.dims, value->dims));
  }
  for (size_t i = 0; i < result.rank(); ++i) {
    ir::Dim& dim = result.dims[i];
    if (mode != "constant" && dim.is(0)) return wrong("mode {} of an empty axis {}", mode, i);
    dim = context.dims.add(dim, context.dims.add(before[i], after[i]));
    if (dim.is_constant() && dim.value() < 0) {
      return wrong("{} cropped by {} and {} along axis {}",
                   shape_text(context.dims, context.operands[0]->dims),
                   context.dims.to_string(before[i]), context.dims.to_string(after[i]), i);
    }
  }
  return std::vector{std::move(result)};
}

int64_t floor_mod(int64_t a, int64_t b) { return ((a % b) + b) % b; }

/// Where the element at `i`, counted from the operand's first, comes from; -1: from the value.
int64_t source(std::string_view mode, int64_t i, int64_t extent) {
  if (i >= 0 && i < extent) return i;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  if (mode == "wrap") return floor_mod(i, extent);
  if (mode == "reflect") {
    if (extent == 1) return 0;
    const int64_t last = extent - 1;
    return last - std::abs(last - floor_mod(i, 2 * last));
  }
  return -1;
}

Evaluated evaluate(EvaluateContext& context) {
  const Tensor& x = *context.operands[0];
  Tensor& result = *context.results[0];
  const std::string& mode = context.attrs.text("mode");
  std::vector<int64_t> before = numbers_of(context.attrs.dims("before"));
  const auto element = static_cast<size_t>(ir::size_of(x.dtype()));
  const size_t rank = before.size();

  // By axis and position: how far the source is from the first element; -1: the value.
  std::vector<std::vector<int64_t>> steps(rank);
  std::vector<int64_t> strides = dense_strides(x.shape());
  for (size_t axis = 0; axis < rank; ++axis) {
    for (int64_t i = 0; i < result.shape()[axis]; ++i) {
      int64_t from = source(mode, i - before[axis], x.shape()[axis]);
      steps[axis].push_back(from < 0 ? -1 : from * strides[axis]);
    }
  }
  const std::vector<std::byte> zero(element);
  const std::byte* value = context.operands[1] ? context.operands[1]->bytes() : zero.data();
  std::vector<int64_t> index(rank);
  for (int64_t i = 0; i < result.count(); ++i) {
    int64_t position = 0;
    for (size_t axis = 0; axis < rank && position >= 0; ++axis) {
      int64_t step = steps[axis][static_cast<size_t>(index[axis])];
      position = step < 0 ? -1 : position + step;
    }
    const std::byte* from =
        position < 0 ? value : x.bytes() + static_cast<size_t>(position) * element;
    std::memcpy(result.bytes() + static_cast<size_t>(i) * element, from, element);
    for (size_t axis = rank; axis-- > 0;) {
      if (++index[axis] < result.shape()[axis]) break;
      index[axis] = 0;
    }
  }
  return {};
}

/// source() in loops, for the modes that always have one.
ir::E source(ir::LoopBuilder& builder, std::string_view mode, ir::E i, ir::E extent) {
  ir::E zero = builder.integer(0);
  if (mode == "edge") return builder.min(builder.max(i, zero), extent - 1);
  if (mode == "wrap") return builder.floor_mod(i, extent);
  ir::E last = extent - 1;
  ir::E period = builder.max(last * 2, builder.integer(1));
  return last - builder.unary(ir::ExprKind::kAbs, last - builder.floor_mod(i, period));
}

void to_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const std::string& mode = scope.attrs().text("mode");
  const bool constant = mode == "constant";
  std::vector<ir::E> before, extents;
  for (ir::Dim dim : scope.attrs().dims("before")) before.push_back(scope.dim(dim));
  for (ir::Dim dim : scope.operand_type(0).dims) extents.push_back(scope.dim(dim));

  auto value = [&] {
    if (!scope.has_operand(1)) {
      return builder.literal(0, {ir::compute_type(scope.result_type(0).dtype), 1});
    }
    std::vector<ir::E> first(scope.operand_type(1).rank(), builder.integer(0));
    return scope.load(1, first);
  };
  for_each_row(scope, [&](std::vector<ir::E>& index, const Row& row) {
    // Only the row's axis is split into before, inside and after; the other positions are the same
    // for the whole row.
    std::vector<ir::E> from(index.size());
    ir::E inside = builder.integer(1, ir::DType::kBool);
    for (size_t axis = 0; axis < index.size(); ++axis) {
      if (static_cast<int>(axis) == row.axis) continue;
      ir::E i = index[axis] - before[axis];
      if (constant) {
        inside = inside & (builder.integer(0) <= i) & (i < extents[axis]);
      } else {
        i = source(builder, mode, i, extents[axis]);
      }
      from[axis] = builder.let("from", i);
    }
    ir::E fill;
    if (constant) fill = builder.let("fill", value());
    auto copy = [&](ir::E begin, ir::E end, bool outside) {
      if (begin.id == end.id) return;
      for_each_in(builder, index, {row.axis, begin, end}, [&](std::span<const ir::E> at) {
        if (outside && constant) {
          scope.store(0, at, fill);
          return;
        }
        if (row.axis >= 0) {
          const auto axis = static_cast<size_t>(row.axis);
          ir::E i = at[axis] - before[axis];
          from[axis] = outside ? source(builder, mode, i, extents[axis]) : i;
        }
        scope.store(0, at, scope.load(0, from));
      });
    };
    auto whole = [&] { copy(row.begin, row.end, true); };
    auto parts = [&] {
      if (row.axis < 0) return copy(row.begin, row.end, false);
      const auto axis = static_cast<size_t>(row.axis);
      auto clamp = [&](ir::E i) { return builder.min(builder.max(i, row.begin), row.end); };
      ir::E first = builder.let("first", clamp(before[axis]));
      ir::E last = builder.let("last", clamp(before[axis] + extents[axis]));
      copy(row.begin, first, true);
      copy(first, last, false);
      copy(last, row.end, true);
    };
    if (constant) {
      builder.if_then(inside, parts, whole);
    } else {
      parts();
    }
  });
}

}  // namespace

template <>
Operator define<ir::Op::kPad>() {
  return {infer, evaluate, to_loops};
}

}  // namespace tenon::ops
