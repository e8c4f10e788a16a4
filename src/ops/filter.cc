#include "ops/filter.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/loops.h"
#include "ops/shape.h"

namespace tenon::ops {
namespace {

using ir::E;

std::expected<std::vector<int64_t>, std::string> static_dims(const ir::Dims& dims,
                                                             const ir::TensorType& w) {
  for (ir::Dim dim : w.dims) {
    if (!dim.is_constant()) {
      return wrong("the filter's dims must be numbers, not {}", shape_text(dims, w.dims));
    }
  }
  return numbers_of(w.dims);
}

std::expected<Filter, std::string> plain_filter(const ir::Dims& dims, const ir::TensorType& w,
                                                int64_t groups) {
  TENON_TRY(const std::vector<int64_t> shape, static_dims(dims, w));
  if (shape.size() < 3) {
    return wrong(
        "a filter has output channels, input channels and at least one kernel axis, not {}",
        shape_text(dims, w.dims));
  }
  if (groups < 1 || shape[0] % groups != 0) {
    return wrong("{} output channels do not split into {} groups", shape[0], groups);
  }
  return Filter{shape[0], groups, shape[1], {shape.begin() + 2, shape.end()}};
}

/// What `pack_filter` makes of a filter of this shape.
Filter packed_filter(const std::vector<int64_t>& shape, const ir::Attrs& attrs) {
  return {shape[0],
          attrs.integer("groups"),
          shape[1],
          {shape.begin() + 2, shape.end()},
          attrs.integer("width"),
          attrs.flag_or("diagonal", false)};
}

/// Whether its matrices have diagonals if it is packed by these.
bool has_diagonals(const Filter& filter) {
  return !filter.diagonal || filter.inputs == 1 || filter.inputs == filter.outputs();
}

/// Calls `body(plain position, packed position)` for every weight of a diagonal filter, in the
/// order of the packed ones.
template <class F>
void for_each_diagonal(const Filter& filter, F&& body) {
  const int64_t taps = filter.taps(), inputs = filter.inputs;
  const auto [block, channels] = filter.diagonals();
  const int64_t blocks = inputs / block;
  int64_t packed = 0;
  for (int64_t first = 0; first < filter.channels; first += channels) {
    const int64_t filled = std::min(channels, filter.channels - first);
    for (int64_t step = 0; step < inputs; ++step) {
      const int64_t r = step / blocks, input = step % blocks * block;
      for (int64_t tap = 0; tap < taps; ++tap, packed += filter.width) {
        for (int64_t lane = 0; lane < filled; ++lane) {
          const int64_t column = lane % block;
          const int64_t output = first + lane - column + (column + r) % block;
          body((output * inputs + input + column) * taps + tap, packed + lane);
        }
      }
    }
  }
}

/// The same for any packed filter.
template <class F>
void for_each_weight(const Filter& filter, F&& body) {
  if (filter.diagonal) return for_each_diagonal(filter, body);
  const int64_t taps = filter.taps(), inputs = filter.inputs;
  const int64_t outputs = filter.outputs(), width = filter.width;
  int64_t packed = 0;
  for (int64_t group = 0; group < filter.groups; ++group) {
    for (int64_t first = 0; first < outputs; first += width) {
      const int64_t filled = std::min(width, outputs - first);
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t c = 0; c < inputs; ++c, packed += width) {
          int64_t plain = ((group * outputs + first) * inputs + c) * taps + tap;
          for (int64_t lane = 0; lane < filled; ++lane, plain += inputs * taps)
            body(plain, packed + lane);
        }
      }
    }
  }
}

/// Calls `copy(from, to, plain position, packed position)` for every weight, its elements typed as
/// unsigned numbers of `size` bytes.
template <class F>
void for_each_element(int64_t size, const Filter& filter, const std::byte* from, std::byte* to,
                      F&& copy) {
  auto as = [&]<class T>() {
    for_each_weight(filter, [&](int64_t plain, int64_t packed) {
      copy(reinterpret_cast<const T*>(from), reinterpret_cast<T*>(to), plain, packed);
    });
  };
  switch (size) {
    case 1: return as.template operator()<uint8_t>();
    case 2: return as.template operator()<uint16_t>();
    case 4: return as.template operator()<uint32_t>();
    default: return as.template operator()<uint64_t>();
  }
}

}  // namespace

int64_t Filter::panels() const {
  const int64_t all = diagonal ? channels : outputs(),
                each = diagonal ? diagonals().channels : width;
  return (all + each - 1) / each;
}

int64_t Filter::taps() const {
  return std::accumulate(kernel.begin(), kernel.end(), int64_t{1}, std::multiplies<>());
}

std::vector<int64_t> Filter::shape() const {
  std::vector<int64_t> dims;
  if (width == 0) {
    dims = {channels, inputs};
    dims.insert(dims.end(), kernel.begin(), kernel.end());
  } else if (diagonal) {
    dims = {panels(), inputs};
    dims.insert(dims.end(), kernel.begin(), kernel.end());
    dims.push_back(width);
  } else {
    dims = {groups, panels()};
    dims.insert(dims.end(), kernel.begin(), kernel.end());
    dims.insert(dims.end(), {inputs, width});
  }
  return dims;
}

std::expected<Filter, std::string> filter_of(const ir::Dims& dims, const ir::Attrs& attrs,
                                             const ir::TensorType& w) {
  const int64_t groups = attrs.integer("groups"), width = attrs.integer_or("packed", 0);
  if (width == 0) return plain_filter(dims, w, groups);
  TENON_TRY(const std::vector<int64_t> shape, static_dims(dims, w));
  const int64_t channels = attrs.integer_or("channels", 0);
  const size_t spatial = attrs.integers("strides").size();
  Filter filter{channels, groups, 1, {}, width};
  if (shape.size() == spatial + 4 && groups > 0 && channels % groups == 0) {
    filter.inputs = shape[shape.size() - 2];
    filter.kernel.assign(shape.begin() + 2, shape.end() - 2);
  } else if (shape.size() == spatial + 3 && groups > 0 && channels % groups == 0) {
    filter.diagonal = true;
    filter.inputs = shape[1];
    filter.kernel.assign(shape.begin() + 2, shape.end() - 1);
  }
  if (filter.kernel.empty() || filter.shape() != shape || !has_diagonals(filter)) {
    return wrong("{} does not hold a filter of {} output channels in {} groups, packed to {}",
                 shape_text(dims, w.dims), channels, groups, width);
  }
  return filter;
}

Inferred infer_pack_filter(InferContext& context) {
  const ir::TensorType& w = *context.operands[0];
  const int64_t width = context.attrs.integer("width");
  if (width < 1) return wrong("panel width {} is not positive", width);
  TENON_TRY(const Filter plain, plain_filter(context.dims, w, context.attrs.integer("groups")));
  const Filter filter = packed_filter(plain.shape(), context.attrs);
  if (!has_diagonals(filter)) {
    return wrong("groups of {} input and {} output channels have no diagonals", filter.inputs,
                 filter.outputs());
  }
  const std::vector<int64_t> shape = filter.shape();
  return std::vector{ir::TensorType{w.dtype, {shape.begin(), shape.end()}}};
}

Evaluated evaluate_pack_filter(EvaluateContext& context) {
  const Tensor& w = *context.operands[0];
  Tensor& result = *context.results[0];
  const Filter filter = packed_filter(w.shape(), context.attrs);
  if (result.count() != w.count()) std::memset(result.bytes(), 0, result.byte_count());
  for_each_element(
      ir::size_of(w.dtype()), filter, w.bytes(), result.bytes(),
      [](const auto* from, auto* to, int64_t plain, int64_t packed) { to[packed] = from[plain]; });
  return {};
}

Tensor unpack_filter(const Filter& filter, const Tensor& packed) {
  Filter plain = filter;
  plain.width = 0;
  Tensor result(packed.dtype(), plain.shape());
  for_each_element(
      ir::size_of(packed.dtype()), filter, packed.bytes(), result.bytes(),
      [](const auto* from, auto* to, int64_t plain, int64_t at) { to[plain] = from[at]; });
  return result;
}

void pack_filter_loops(ir::LoopScope& scope) {
  ir::LoopBuilder& builder = scope.builder();
  const ir::TensorType& type = scope.result_type(0);
  const Filter filter = packed_filter(numbers_of(scope.operand_type(0).dims), scope.attrs());
  const std::vector<E> extents = extents_of(scope, type);
  const int lane_axis = static_cast<int>(type.rank()) - 1;
  std::vector<E> index = tasks_over(builder, extents, without(scope.memory_order(0), lane_axis));
  std::vector<E> source = {builder.integer(0), builder.integer(0)};
  source.insert(source.end(), index.begin() + 2, index.begin() + 2 + filter.kernel.size());
  E filled;
  std::function<void(E)> find_source;
  if (filter.diagonal) {
    const auto [block, channels] = filter.diagonals();
    const E first = builder.let("first", index[0] * channels);
    const E blocks = builder.integer(filter.inputs / block);
    const E r = builder.let("r", index[1] / blocks);
    const E input = builder.let("input", index[1] % blocks * block);
    filled = builder.min(builder.integer(channels), builder.integer(filter.channels) - first);
    find_source = [=, &source](E lane) {
      const E column = lane % block;
      source[0] = first + lane - column + (column + r) % block;
      source[1] = input + column;
    };
  } else {
    const E output = index[1] * filter.width;
    const E first = builder.let("first", index[0] * filter.outputs() + output);
    source[1] = index[lane_axis - 1];
    filled = builder.min(extents[lane_axis], builder.integer(filter.outputs()) - output);
    find_source = [=, &source](E lane) { source[0] = first + lane; };
  }
  filled = builder.let("filled", filled);
  builder.loop(
      "lane", filled,
      [&](E lane) {
        find_source(lane);
        index.back() = lane;
        scope.store(0, index, scope.load(0, source));
      },
      ir::LoopKind::kVector);
  builder.loop("lane", filled, extents[lane_axis], 1, [&](E lane) {
    index.back() = lane;
    scope.store(0, index, builder.literal(0, {ir::compute_type(type.dtype)}));
  });
}

}  // namespace tenon::ops
