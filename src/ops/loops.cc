#include "ops/loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ranges>

namespace tenon::ops {

using ir::E;

std::vector<E> extents_of(ir::LoopScope& scope, const ir::TensorType& type) {
  std::vector<E> extents;
  for (ir::Dim dim : type.dims) extents.push_back(scope.dim(dim));
  return extents;
}

std::vector<int> without(std::span<const int> order, int axis) {
  std::vector<int> rest(order.begin(), order.end());
  std::erase(rest, axis);
  return rest;
}

int innermost_axis(std::span<const int> order, std::span<const E> extents) {
  for (int axis : std::views::reverse(order)) {
    if (!extents[axis].is(1)) return axis;
  }
  return order.empty() ? -1 : order.back();
}

std::vector<E> tasks_over(ir::LoopBuilder& builder, std::span<const E> extents,
                          std::span<const int> axes) {
  E count = builder.integer(1);
  for (int axis : axes) count = count * extents[axis];
  E rest = builder.tasks(count);
  std::vector<E> index(extents.size(), builder.integer(0));
  for (size_t i = axes.size(); i-- > 0;) {
    const E extent = extents[axes[i]];
    if (extent.is(1)) continue;
    index[axes[i]] =
        builder.let(fmt::format("i{}", axes[i]), i == 0 ? rest : builder.floor_mod(rest, extent));
    if (i > 0) rest = builder.floor_div(rest, extent);
  }
  return index;
}

namespace {

void nest_loops(ir::LoopBuilder& builder, std::span<const E> extents, std::span<const int> axes,
                std::vector<E>& index, ir::LoopKind innermost, const std::function<void()>& body) {
  if (axes.empty()) return body();
  const int axis = axes.front();
  const auto iterate = [&](E i) {
    index[axis] = i;
    nest_loops(builder, extents, axes.subspan(1), index, innermost, body);
  };
  builder.loop(fmt::format("i{}", axis), extents[axis], iterate,
               axes.size() == 1 ? innermost : ir::LoopKind::kSerial);
}

}  // namespace

void loop_over(ir::LoopBuilder& builder, std::span<const E> extents, std::span<const int> axes,
               std::vector<E>& index, ir::LoopKind innermost, const std::function<void()>& body) {
  std::vector<int> long_axes;
  for (int axis : axes) {
    index[axis] = builder.integer(0);
    if (!extents[axis].is(1)) long_axes.push_back(axis);
  }
  nest_loops(builder, extents, long_axes, index, innermost, body);
}

E lowest(ir::LoopBuilder& builder, ir::DType dtype) {
  if (ir::is_float(dtype)) return builder.number(-INFINITY, {dtype});
  if (!ir::is_signed(dtype)) return builder.integer(0, dtype);
  return builder.integer(INT64_MIN >> (64 - 8 * ir::size_of(dtype)), dtype);
}

E highest(ir::LoopBuilder& builder, ir::DType dtype) {
  if (ir::is_float(dtype)) return builder.number(INFINITY, {dtype});
  if (dtype == ir::DType::kBool) return builder.integer(1, dtype);
  const int sign = ir::is_signed(dtype) ? 1 : 0;
  const uint64_t bits = UINT64_MAX >> (64 - 8 * ir::size_of(dtype) + sign);
  return builder.integer(static_cast<int64_t>(bits), dtype);
}

E multiply_add(ir::LoopBuilder& builder, E a, E b, E c) {
  return ir::is_float(a.type().dtype) ? builder.fma(a, b, c) : a * b + c;
}

E sigmoid(ir::LoopBuilder& builder, E x) {
  const E one = builder.literal(1, x.type());
  return one / (one + builder.unary(ir::ExprKind::kExp, -x));
}

std::vector<E> broadcast_index(ir::LoopBuilder& builder, const ir::TensorType& operand,
                               std::span<const E> index) {
  std::vector<E> result;
  for (size_t i = 0; i < operand.rank(); ++i) {
    result.push_back(operand.dims[i].is(1) ? builder.integer(0)
                                           : index[index.size() - operand.rank() + i]);
  }
  return result;
}

Scratch::Scratch(ir::LoopBuilder& builder, std::string name, ir::DType dtype, E extent)
    : builder_(builder),
      buffer_(builder.buffer(std::move(name), dtype, ir::BufferKind::kScratch, extent)),
      extent_(extent) {}

void Scratch::fill(E value) {
  builder_.loop("i", extent_, [&](E i) { set(i, value); }, ir::LoopKind::kVector);
}

}  // namespace tenon::ops
