#include <functional>

#include "passes/graph/group_scope.h"
#include "passes/graph/place.h"

namespace tenon::passes {

using ir::Dim;
using ir::E;
using ir::ValueId;

void GroupScope::clear_halo(ValueId storage) {
  const ir::Placement& place = module_.placements[storage.index];
  const std::vector<Dim>& shape = module_.value(storage).type.dims;
  const size_t rank = shape.size();
  // With its halo: an axis of size 1 would have no place in the order of memory.
  std::vector<Dim> padded_shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t around = place.halo[axis] + place.halo[rank + axis];
    padded_shape.push_back(module_.dims.add(shape[axis], around));
  }
  const std::vector<int> order = passes::memory_order(module_.dims, padded_shape, place.strides);
  const auto before = [&](size_t depth) { return place.halo[order[depth]]; };
  const auto after = [&](size_t depth) { return place.halo[rank + order[depth]]; };
  // Axes outside the first one with a halo are walked as one with it; those inside the last one
  // move with it, for they are contiguous.
  size_t first = rank, last = 0;
  for (size_t depth = 0; depth < rank; ++depth) {
    if (before(depth) + after(depth) == 0) continue;
    first = std::min(first, depth);
    last = depth;
  }
  if (first == rank) return;

  const auto zero = [&](E begin, E length) {
    const E nothing = builder_.literal(0, {module_.value(storage).type.dtype, 1});
    builder_.loop(
        "i", begin, begin + length, 1,
        [&](E i) { builder_.store(buffers_.at(storage), i, nothing); }, ir::LoopKind::kVector);
  };
  const auto stride = [&](size_t depth) { return dim(place.strides[order[depth]]); };
  const auto size = [&](size_t depth) { return dim(shape[order[depth]]); };
  const std::function<void(size_t, E)> ends = [&](size_t depth, E base) {
    if (depth > last) return;
    const E step = stride(depth);
    if (before(depth) > 0) zero(base, step * before(depth));
    if (depth < last) {
      builder_.loop("r", size(depth),
                    [&](E r) { ends(depth + 1, base + (r + before(depth)) * step); });
    }
    if (after(depth) > 0) zero(base + (size(depth) + before(depth)) * step, step * after(depth));
  };

  const E padded = size(first) + (before(first) + after(first));
  E rows = padded;
  for (size_t depth = 0; depth < first; ++depth) rows = rows * size(depth);
  const E task = builder_.task(), tasks = builder_.task_count();
  builder_.loop("h", task * rows / tasks, (task + 1) * rows / tasks, 1, [&](E row) {
    const E base = builder_.let("base", row * stride(first));
    const E at = builder_.let("at", row % padded - before(first));
    builder_.if_then((0 <= at) & (at < size(first)), [&] { ends(first + 1, base); },
                     [&] { zero(base, stride(first)); });
  });
}

}  // namespace tenon::passes
