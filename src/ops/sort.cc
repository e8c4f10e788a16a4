#include "ops/sort.h"

namespace tenon::ops {

using ir::E;

/// Merges runs of 1, 2, 4, ... numbers.
Sorted::Sorted(ir::LoopBuilder& builder, E count, const std::function<E(E, E)>& stays)
    : numbers_(builder, "sorted", ir::DType::kInt64, count * 2),
      from_(builder.let_register("from", builder.integer(0))) {
  constexpr int64_t kMostPasses = 62;
  const E zero = builder.integer(0), one = builder.integer(1);
  builder.loop("i", count, [&](E i) { numbers_.set(i, i); }, ir::LoopKind::kVector);
  const ir::R width = builder.let_register("width", one);
  const auto merge = [&](E first, E to) {
    const E middle = builder.let("middle", builder.min(first + width, count));
    const E end = builder.let("end", builder.min(middle + width, count));
    const ir::R left = builder.let_register("left", first);
    const ir::R right = builder.let_register("right", middle);
    builder.loop("i", first, end, 1, [&](E i) {
      const E a = builder.let("a", numbers_[from_ + builder.min(left, middle - 1)]);
      const E b = builder.let("b", numbers_[from_ + builder.min(right, end - 1)]);
      const E a_stays = stays(a, b);
      const E takes_a = builder.let("takes_a", (left < middle) & ((right >= end) | a_stays));
      numbers_.set(to + i, builder.select(takes_a, a, b));
      const E step = builder.let("step", builder.select(takes_a, one, zero));
      builder.assign(left, left + step);
      builder.assign(right, right + (1 - step));
    });
  };
  builder.loop("pass", builder.integer(kMostPasses), [&](E) {
    builder.if_then(width < count, [&] {
      const E to = builder.let("to", count - from_);
      const E pairs = builder.let("pairs", builder.floor_div(count + width * 2 - 1, width * 2));
      builder.loop("pair", pairs,
                   [&](E pair) { merge(builder.let("first", pair * width * 2), to); });
      builder.assign(from_, to);
      builder.assign(width, width * 2);
    });
  });
}

}  // namespace tenon::ops
