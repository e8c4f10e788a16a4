// scatter_elements, scatter_nd: x, but at indices the updates, or x combined with them by
// `reduction` (none, add, mul, max, min), in row-major order of the indices. 16-bit floats are
// combined in float32 and rounded once.
//
// In loops, tasks own disjoint parts of the result, which they build in scratch memory: no result
// element is stored twice, and no two tasks meet.
#include "ops/element.h"
#include "ops/index.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "ops/scalar.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

std::expected<void, std::string> check_operands(InferContext& context) {
  const ir::DType x = context.operands[0]->dtype, updates = context.operands[2]->dtype;
  const std::string& reduction = context.attrs.text("reduction");
  TENON_TRY_DO(check_index_dtype(context.operands[1]->dtype));
  if (x != updates) {
    return wrong("updates are {}, the tensor {}", to_string(updates), to_string(x));
  }
  if (reduction == "none") return {};
  if (reduction != "add" && reduction != "mul" && reduction != "max" && reduction != "min") {
    return wrong("unknown reduction '{}'", reduction);
  }
  if (x == ir::DType::kBool) return wrong("reduction {} needs numbers, not bool", reduction);
  return {};
}

template <class T>
T combine(std::string_view reduction, T present, T update) {
  if constexpr (!std::same_as<T, bool>) {
    if (reduction == "add") return scalar::add(present, update);
    if (reduction == "mul") return scalar::mul(present, update);
    if (reduction == "max") return scalar::max(present, update);
    if (reduction == "min") return scalar::min(present, update);
  }
  return update;
}

ir::E combine(ir::LoopBuilder& builder, std::string_view reduction, ir::E present, ir::E update) {
  if (reduction == "add") return present + update;
  if (reduction == "mul") return present * update;
  if (reduction == "max") return builder.max(present, update);
  if (reduction == "min") return builder.min(present, update);
  return update;
}

/// Starts from x and calls `scatter` with an `apply(at, update)` on the compute type; `at` counts
/// elements of x, `update` those of the updates.
template <class F>
Evaluated evaluate_with(EvaluateContext& context, F scatter) {
  const std::string& reduction = context.attrs.text("reduction");
  return dispatch(context.results[0]->dtype(), [&]<class T>() -> Evaluated {
    std::span<const T> x = context.operands[0]->as<T>(), updates = context.operands[2]->as<T>();
    std::unique_ptr<Compute<T>[]> values(new Compute<T>[x.size()]);
    std::copy(x.begin(), x.end(), values.get());
    TENON_TRY_DO(scatter([&](int64_t at, int64_t update) {
      Compute<T>& present = values[static_cast<size_t>(at)];
      Compute<T> value = updates[static_cast<size_t>(update)];
      present = combine(reduction, present, value);
    }));
    std::transform(values.get(), values.get() + x.size(), context.results[0]->as<T>().begin(),
                   [](Compute<T> value) { return T(value); });
    return {};
  });
}

Inferred infer_elements(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &indices = *context.operands[1];
  const ir::TensorType& updates = *context.operands[2];
  TENON_TRY_DO(check_operands(context));
  TENON_TRY(size_t axis, axis_of(context.attrs, x.rank()));
  bool fits = indices.rank() == x.rank();
  for (size_t i = 0; fits && i < x.rank(); ++i) {
    ir::Dim beyond = context.dims.sub(indices.dims[i], x.dims[i]);
    fits = i == axis || !beyond.is_constant() || beyond.value() <= 0;
  }
  if (!fits || indices.dims != updates.dims) {
    return wrong("indices {} and updates {} do not fit into {}",
                 shape_text(context.dims, indices.dims), shape_text(context.dims, updates.dims),
                 shape_text(context.dims, x.dims));
  }
  return std::vector{x};
}

Evaluated evaluate_elements(EvaluateContext& context) {
  const std::vector<int64_t>& shape = context.operands[0]->shape();
  const Tensor indices = context.operands[1]->cast(ir::DType::kInt64);
  const auto axis = static_cast<size_t>(context.attrs.integer("axis"));
  const std::vector<int64_t> strides = dense_strides(shape);
  return evaluate_with(context, [&](auto apply) -> Evaluated {
    for (int64_t i = 0; i < indices.count(); ++i) {
      TENON_TRY(int64_t position, position_of(indices.integer(i), axis, shape[axis]));
      int64_t rest = i, at = position * strides[axis];
      for (size_t a = shape.size(); a-- > 0;) {
        if (a != axis) at += rest % indices.shape()[a] * strides[a];
        rest /= indices.shape()[a];
      }
      apply(at, i);
    }
    return {};
  });
}

/// A task takes whole lines along the axis.
void elements_to_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const auto axis = static_cast<size_t>(scope.attrs().integer("axis"));
  const std::string& reduction = scope.attrs().text("reduction");
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  std::vector<ir::E> extents, updated;
  for (ir::Dim dim : scope.result_type(0).dims) extents.push_back(scope.dim(dim));
  for (ir::Dim dim : scope.operand_type(1).dims) updated.push_back(scope.dim(dim));
  const ir::E length = extents[axis], updates = updated[axis];
  ir::BufferId line = builder.buffer("line", dtype, ir::BufferKind::kScratch, length);

  std::vector<ir::E> lines = extents;
  lines[axis] = builder.integer(1);
  const int64_t work = length.constant().value_or(1) + updates.constant().value_or(1);
  Nest nest(scope, lines, scope.memory_order(0), work);
  auto body = [&](std::span<const ir::E> first) {
    std::vector<ir::E> index(first.begin(), first.end());
    auto along = [&](std::string name, ir::E end, ir::LoopKind kind, auto element) {
      auto run = [&](ir::E i) {
        index[axis] = i;
        element(i);
      };
      builder.loop(std::move(name), end, run, kind);
    };
    along("i", length, ir::LoopKind::kVector,
          [&](ir::E i) { builder.store(line, i, scope.load(0, index)); });
    ir::E covered = builder.integer(1, ir::DType::kBool);
    for (size_t i = 0; i < index.size(); ++i) {
      if (i != axis && extents[i].id != updated[i].id) covered = covered & (index[i] < updated[i]);
    }
    builder.if_then(covered, [&] {
      along("k", updates, ir::LoopKind::kSerial, [&](ir::E) {
        ir::E position = load_position(scope, 1, index, length);
        ir::E update = scope.load(2, index);
        builder.store(line, position,
                      combine(builder, reduction, builder.load(line, position), update));
      });
    });
    along("i", length, ir::LoopKind::kVector,
          [&](ir::E i) { scope.store(0, index, builder.load(line, i)); });
  };
  nest.elements(builder.tasks(nest.task_count()), body, ir::LoopKind::kSerial);
}

Inferred infer_nd(InferContext& context) {
  const ir::TensorType &x = *context.operands[0], &indices = *context.operands[1];
  const ir::TensorType& updates = *context.operands[2];
  TENON_TRY_DO(check_operands(context));
  auto text = [&] {
    return fmt::format("x {}, indices {} and updates {}", shape_text(context.dims, x.dims),
                       shape_text(context.dims, indices.dims),
                       shape_text(context.dims, updates.dims));
  };
  if (indices.rank() == 0) return wrong("indices without axes: {}", text());
  const ir::Dim tuple = indices.dims.back();
  if (!tuple.is_constant())
    return wrong("the last axis of the indices must be a number: {}", text());
  if (tuple.value() > static_cast<int64_t>(x.rank())) {
    return wrong("index tuples are longer than x has axes: {}", text());
  }
  std::vector<ir::Dim> expected(indices.dims.begin(), indices.dims.end() - 1);
  expected.insert(expected.end(), x.dims.begin() + tuple.value(), x.dims.end());
  if (updates.dims != expected) {
    return wrong("updates must be {}: {}", shape_text(context.dims, expected), text());
  }
  return std::vector{x};
}

Evaluated evaluate_nd(EvaluateContext& context) {
  const std::vector<int64_t>& shape = context.operands[0]->shape();
  const Tensor indices = context.operands[1]->cast(ir::DType::kInt64);
  const int64_t tuple = indices.shape().back();
  const std::vector<int64_t> strides = dense_strides(shape);
  int64_t run = 1, tuples = 1;
  for (size_t i = static_cast<size_t>(tuple); i < shape.size(); ++i) run *= shape[i];
  for (size_t i = 0; i + 1 < indices.shape().size(); ++i) tuples *= indices.shape()[i];
  return evaluate_with(context, [&](auto apply) -> Evaluated {
    for (int64_t t = 0; t < tuples; ++t) {
      int64_t at = 0;
      for (size_t i = 0; i < static_cast<size_t>(tuple); ++i) {
        const int64_t index = indices.integer(t * tuple + static_cast<int64_t>(i));
        TENON_TRY(int64_t position, position_of(index, i, shape[i]));
        at += position * strides[i];
      }
      for (int64_t i = 0; i < run; ++i) apply(at + i, t * run + i);
    }
    return {};
  });
}

/// The axes that index tuples address, flattened, are slots; a slot holds one slice of the inner
/// axes. A task takes a run of slots and reads all tuples for those that fall into it.
void nd_to_loops(ir::LoopScope& scope) {
  constexpr int64_t kMostTasks = 64;        // each of them reads all tuples
  constexpr int64_t kLeastElements = 4096;  // of a task
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& indices = scope.operand_type(1);
  const std::string& reduction = scope.attrs().text("reduction");
  const ir::DType dtype = ir::compute_type(scope.result_type(0).dtype);
  const auto tuple = static_cast<size_t>(indices.dims.back().value());

  const ir::E one = builder.integer(1);
  ir::E slots = one, inner = one;
  std::vector<ir::E> extents, inner_extents, tuple_extents;
  for (ir::Dim dim : scope.result_type(0).dims) {
    ir::E extent = scope.dim(dim);
    ir::E& product = extents.size() < tuple ? slots : inner;
    product = product * extent;
    if (extents.size() >= tuple) inner_extents.push_back(extent);
    extents.push_back(extent);
  }
  for (size_t i = 0; i + 1 < indices.rank(); ++i) {
    tuple_extents.push_back(scope.dim(indices.dims[i]));
  }

  auto ceil_div = [&](ir::E a, ir::E b) { return (a + b - one) / b; };
  ir::E least = ceil_div(builder.integer(kLeastElements), builder.max(inner, one));
  ir::E chunk = builder.max(ceil_div(slots, builder.integer(kMostTasks)), least);
  chunk = builder.min(chunk, builder.max(slots, one));
  ir::E task = builder.tasks(ceil_div(slots, chunk));
  ir::BufferId part = builder.buffer("part", dtype, ir::BufferKind::kScratch, chunk * inner);
  ir::E begin = builder.let("begin", task * chunk);
  ir::E end = builder.let("end", builder.min(begin + chunk, slots));

  /// The slot's slice: `element(index of x, index in the slice, place in `part`)`.
  auto for_each_in_slot = [&](std::span<const ir::E> slot_index, ir::E slot, auto element) {
    ir::E base = builder.let("base", (slot - begin) * inner);
    for_each_in_box(builder, inner_extents, [&](std::span<const ir::E> at) {
      std::vector<ir::E> index(slot_index.begin(), slot_index.end());
      index.insert(index.end(), at.begin(), at.end());
      ir::E offset = builder.integer(0);
      for (size_t i = 0; i < at.size(); ++i) offset = offset * inner_extents[i] + at[i];
      element(index, at, base + offset);
    });
  };
  auto for_each_slot = [&](std::string name, auto element) {
    builder.loop(std::move(name), begin, end, 1, [&](ir::E slot) {
      std::vector<ir::E> slot_index(tuple);
      ir::E rest = slot;
      for (size_t i = tuple; i-- > 0;) {
        slot_index[i] = builder.let("at", i == 0 ? rest : rest % extents[i]);
        rest = rest / extents[i];
      }
      for_each_in_slot(slot_index, slot, element);
    });
  };
  for_each_slot("slot", [&](std::span<const ir::E> index, std::span<const ir::E>, ir::E place) {
    builder.store(part, place, scope.load(0, index));
  });
  std::vector<ir::E> at_tuple;
  std::function<void()> for_each_tuple = [&] {
    if (at_tuple.size() < tuple_extents.size()) {
      builder.loop("t", tuple_extents[at_tuple.size()], [&](ir::E t) {
        at_tuple.push_back(t);
        for_each_tuple();
        at_tuple.pop_back();
      });
      return;
    }
    std::vector<ir::E> positions, where = at_tuple;
    where.emplace_back();
    ir::E slot = builder.integer(0);
    for (size_t i = 0; i < tuple; ++i) {
      where.back() = builder.integer(static_cast<int64_t>(i));
      positions.push_back(load_position(scope, 1, where, extents[i]));
      slot = slot * extents[i] + positions.back();
    }
    slot = builder.let("slot", slot);
    builder.if_then((begin <= slot) & (slot < end), [&] {
      auto apply = [&](std::span<const ir::E>, std::span<const ir::E> at, ir::E place) {
        std::vector<ir::E> from = at_tuple;
        from.insert(from.end(), at.begin(), at.end());
        builder.store(part, place,
                      combine(builder, reduction, builder.load(part, place), scope.load(2, from)));
      };
      for_each_in_slot(positions, slot, apply);
    });
  };
  for_each_tuple();
  for_each_slot("slot", [&](std::span<const ir::E> index, std::span<const ir::E>, ir::E place) {
    scope.store(0, index, builder.load(part, place));
  });
}

}  // namespace

template <>
Operator define<ir::Op::kScatterElements>() {
  return {infer_elements, evaluate_elements, elements_to_loops};
}

template <>
Operator define<ir::Op::kScatterNd>() {
  return {infer_nd, evaluate_nd, nd_to_loops};
}

}  // namespace tenon::ops
