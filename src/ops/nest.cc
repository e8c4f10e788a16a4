#include "ops/nest.h"

#include <fmt/format.h>

#include <algorithm>

namespace tenon::ops {
namespace {

/// Operations of a task: well above what handing out a task costs, small enough to share work.
constexpr int64_t kTaskWork = 1024;
/// What an extent that is known only at run time is taken for.
constexpr int64_t kUnknownExtent = 64;
/// Chunks of the innermost axis are whole vectors of any target.
constexpr int64_t kChunkMultiple = 64;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::vector<ir::E> result_extents(ir::LoopScope& scope, int result) {
  std::vector<ir::E> extents;
  for (ir::Dim dim : scope.result_type(result).dims) extents.push_back(scope.dim(dim));
  return extents;
}

}  // namespace

Nest::Nest(ir::LoopScope& scope, int result, int64_t work)
    : Nest(scope, result_extents(scope, result), scope.memory_order(result), work) {}

Nest::Nest(ir::LoopScope& scope, std::vector<ir::E> extents, std::vector<int> order, int64_t work)
    : builder_(&scope.builder()), extents_(std::move(extents)), order_(std::move(order)) {
  std::erase_if(order_, [&](int axis) { return extents_[static_cast<size_t>(axis)].is(1); });
  auto estimate = [&](size_t position) {
    int64_t extent =
        extents_[static_cast<size_t>(order_[position])].constant().value_or(kUnknownExtent);
    return std::max<int64_t>(extent, 1);
  };
  const int64_t wanted = ceil_div(kTaskWork, std::max<int64_t>(work, 1));
  int64_t inner = 1;  // elements of one step along the axis at split_
  split_ = order_.size();
  while (split_ > 0) {
    --split_;
    if (inner * estimate(split_) >= wanted || split_ == 0) break;
    inner *= estimate(split_);
  }
  if (order_.empty()) return;
  bool known = extents_[static_cast<size_t>(order_[split_])].constant().has_value();
  int64_t chunk = ceil_div(wanted, inner);
  if (known) {  // even chunks
    int64_t parts = std::max<int64_t>(estimate(split_) / chunk, 1);
    chunk = ceil_div(estimate(split_), parts);
  }
  if (split_ + 1 == order_.size()) chunk = ceil_div(chunk, kChunkMultiple) * kChunkMultiple;
  if (!known || chunk < estimate(split_)) chunk_ = chunk;
}

ir::E Nest::parts() const {
  if (chunk_ == 0) return builder_->integer(1);
  return (extents_[static_cast<size_t>(order_[split_])] + (chunk_ - 1)) / chunk_;
}

ir::E Nest::task_count() const {
  ir::E count = parts();
  for (size_t i = 0; i < split_ && i < order_.size(); ++i) {
    count = count * extents_[static_cast<size_t>(order_[i])];
  }
  return count;
}

void Nest::rows(ir::E task, const RowBody& body) const {
  ir::LoopBuilder& builder = *builder_;
  std::vector<ir::E> index(extents_.size(), builder.integer(0));
  if (order_.empty()) {
    body(index, {-1, builder.integer(0), builder.integer(1)});
    return;
  }
  auto extent = [&](size_t position) { return extents_[static_cast<size_t>(order_[position])]; };
  auto set = [&](size_t position, ir::E value) {
    index[static_cast<size_t>(order_[position])] = value;
  };

  ir::E begin = builder.integer(0);
  ir::E end = extent(split_);
  ir::E rest = task;
  if (chunk_ != 0) {
    ir::E part = split_ == 0 ? task : task % parts();
    if (split_ != 0) rest = task / parts();
    begin = builder.let("begin", part * chunk_);
    end = builder.let("end", builder.min(begin + chunk_, end));
  }
  for (size_t i = split_; i-- > 0;) {
    ir::E position = i == 0 ? rest : rest % extent(i);
    set(i, builder.let(fmt::format("i{}", order_[i]), position));
    if (i != 0) rest = rest / extent(i);
  }

  std::function<void(size_t)> descend = [&](size_t position) {
    ir::E first = position == split_ ? begin : builder.integer(0);
    ir::E last = position == split_ ? end : extent(position);
    if (position + 1 == order_.size()) {
      body(index, {order_[position], first, last});
      return;
    }
    builder.loop(fmt::format("i{}", order_[position]), first, last, 1, [&](ir::E i) {
      set(position, i);
      descend(position + 1);
    });
  };
  descend(split_);
}

void Nest::elements(ir::E task, const ElementBody& body, ir::LoopKind kind) const {
  rows(task, [&](std::vector<ir::E>& index, const Row& row) {
    for_each_in(*builder_, index, row, body, kind);
  });
}

void for_each_in(ir::LoopBuilder& builder, std::vector<ir::E>& index, const Row& row,
                 const ElementBody& body, ir::LoopKind kind) {
  if (row.axis < 0) {
    body(index);
    return;
  }
  auto run = [&](ir::E i) {
    index[static_cast<size_t>(row.axis)] = i;
    body(index);
  };
  builder.loop(fmt::format("i{}", row.axis), row.begin, row.end, 1, run, kind);
}

void for_each_row(ir::LoopScope& scope, const RowBody& body, int64_t work) {
  Nest nest(scope, 0, work);
  nest.rows(scope.builder().tasks(nest.task_count()), body);
}

void for_each_element(ir::LoopScope& scope, const ElementBody& body, ir::LoopKind kind,
                      int64_t work) {
  Nest nest(scope, 0, work);
  nest.elements(scope.builder().tasks(nest.task_count()), body, kind);
}

void for_each_in_box(ir::LoopBuilder& builder, std::span<const ir::E> extents,
                     const ElementBody& body) {
  std::vector<ir::E> index;
  std::function<void()> descend = [&] {
    if (index.size() == extents.size()) return body(index);
    const size_t axis = index.size();
    const bool innermost = axis + 1 == extents.size();
    auto run = [&](ir::E i) {
      index.push_back(i);
      descend();
      index.pop_back();
    };
    builder.loop(fmt::format("j{}", axis), extents[axis], run,
                 innermost ? ir::LoopKind::kVector : ir::LoopKind::kSerial);
  };
  descend();
}

std::vector<ir::E> broadcast_index(ir::LoopScope& scope, int operand,
                                   std::span<const ir::E> index) {
  const ir::TensorType& type = scope.operand_type(operand);
  std::vector<ir::E> result;
  for (size_t axis = 0; axis < type.rank(); ++axis) {
    bool broadcast = type.dims[axis].is(1);
    result.push_back(broadcast ? scope.builder().integer(0)
                               : index[index.size() - type.rank() + axis]);
  }
  return result;
}

}  // namespace tenon::ops
