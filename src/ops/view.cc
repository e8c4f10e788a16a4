#include "ops/view.h"

#include <algorithm>

#include "base/result.h"

namespace tenon::ops {

using ir::Dim;
using ir::Dims;

std::optional<std::vector<Dim>> reshape_strides(Dims& dims, const std::vector<Dim>& from,
                                                const std::vector<Dim>& strides,
                                                const std::vector<Dim>& to) {
  // Runs of `from` axes that are contiguous among themselves, matched with runs of `to` axes of
  // equal size, both from the innermost axis outwards.
  std::vector<Dim> result(to.size(), Dim(0));
  const auto is_empty = [](Dim dim) { return dim.is(0); };
  if (std::ranges::any_of(from, is_empty) || std::ranges::any_of(to, is_empty)) return result;
  size_t f = from.size(), t = to.size();
  while (t > 0 || f > 0) {
    if (f > 0 && from[f - 1].is(1)) {
      --f;
      continue;
    }
    if (t > 0 && to[t - 1].is(1)) {
      --t;
      continue;
    }
    if (f == 0 || t == 0) return std::nullopt;
    Dim unit = strides[f - 1];
    Dim from_size = from[--f], to_size = to[--t];
    Dim next = dims.mul(unit, from_size);  // the stride that a further axis of this run must have
    result[t] = unit;
    Dim to_next = dims.mul(unit, to_size);
    while (from_size != to_size) {
      if (t > 0 && dims.exact_div(from_size, to_size)) {
        result[--t] = to_next;
        to_size = dims.mul(to_size, to[t]);
        to_next = dims.mul(unit, to_size);
      } else if (f > 0 && (from[f - 1].is(1) || strides[f - 1] == next)) {
        from_size = dims.mul(from_size, from[--f]);
        next = dims.mul(unit, from_size);
      } else {
        return std::nullopt;
      }
    }
  }
  return result;
}

std::optional<Strided> view_of(ir::Module& module, const ir::Node& node, const Strided& operand) {
  Dims& dims = module.dims;
  const std::vector<Dim>& from = module.value(node.inputs[0]).type.dims;
  const std::vector<Dim>& to = module.value(node.outputs[0]).type.dims;
  Strided result = {operand.offset, {}};
  switch (node.op) {
    case ir::Op::kReshape: {
      auto strides = reshape_strides(dims, from, operand.strides, to);
      if (!strides) return std::nullopt;
      result.strides = std::move(*strides);
      return result;
    }
    case ir::Op::kTranspose:
      for (int64_t axis : node.attrs.integers("perm"))
        result.strides.push_back(operand.strides[axis]);
      return result;
    case ir::Op::kExpand: {
      const size_t added = to.size() - from.size();
      result.strides.assign(added, Dim(0));
      for (size_t axis = 0; axis < from.size(); ++axis) {
        const bool repeated = from[axis].is(1) && !to[added + axis].is(1);
        result.strides.push_back(repeated ? Dim(0) : operand.strides[axis]);
      }
      return result;
    }
    case ir::Op::kSlice: {
      const auto& starts = node.attrs.dims("starts");
      const auto& steps = node.attrs.integers("steps");
      for (size_t axis = 0; axis < from.size(); ++axis) {
        result.offset = dims.add(result.offset, dims.mul(starts[axis], operand.strides[axis]));
        result.strides.push_back(dims.mul(operand.strides[axis], Dim(steps[axis])));
      }
      return result;
    }
    default: TENON_CHECK(false, "a view operator has its strides here");
  }
  return std::nullopt;
}

}  // namespace tenon::ops
