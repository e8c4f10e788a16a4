// Operators about shapes: what a tensor's dims are, and other dims for the same elements.
#include <algorithm>
#include <cmath>

#include "import/elements.h"
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

Result<void> import_identity(NodeContext& node) {
  if (node.is_list(0)) {
    TENON_TRY(List list, node.list_input(0));
    node.set_list(0, std::move(list));
    return {};
  }
  TENON_TRY(ValueId x, node.input(0));
  return node.finish(x);
}

Result<void> import_dropout(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  if (node.has_input(2)) {
    TENON_TRY(int64_t training, node.integer_input(2, "training modes"));
    std::vector<double> ratio = {0.5};
    if (node.has_input(1)) {
      TENON_TRY(ratio, node.numbers_input(1, "ratios"));
    }
    if (training != 0 && (ratio.empty() || ratio[0] != 0)) {
      return node.unsupported("Dropout in training mode");
    }
  }
  if (node.wants_output(1)) {
    TENON_TRY(ValueId mask, emitter.expand(emitter.number(1, DType::kBool), emitter.shape(x)));
    node.set_output(1, mask);
  }
  return node.finish(x);
}

Result<void> import_shape(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  std::vector<Dim> dims = emitter.shape(x);
  const int64_t rank = emitter.rank(x);
  const auto bound = [rank](int64_t at) {
    return std::clamp(at < 0 ? at + rank : at, int64_t{0}, rank);
  };
  const int64_t start = bound(node.integer("start", 0));
  const int64_t end = std::max(start, bound(node.integer("end", rank)));
  return node.finish(emitter.from_dims({dims.begin() + start, dims.begin() + end}));
}

Result<void> import_size(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const std::vector<Dim> dims = emitter.shape(x);
  return node.finish(emitter.from_elements({DType::kInt64, {}}, {emitter.dims().product(dims)}));
}

Result<void> import_constant(NodeContext& node) {
  Emitter& emitter = node.emitter();
  if (const Tensor* tensor = node.tensor("value")) {
    return node.finish(node.graph().import_tensor(*tensor));
  }
  if (auto value = node.number("value_float")) {
    return node.finish(emitter.number(*value, DType::kFloat32));
  }
  if (auto values = node.numbers("value_floats")) {
    return node.finish(emitter.numbers(*values, DType::kFloat32));
  }
  if (auto value = node.integer("value_int")) {
    return node.finish(emitter.from_elements({DType::kInt64, {}}, {Dim(*value)}));
  }
  if (auto values = node.integers("value_ints")) {
    return node.finish(emitter.from_dims({values->begin(), values->end()}));
  }
  return node.unsupported("Constant that is sparse or made of strings");
}

Result<void> import_constant_of_shape(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Dim> dims, node.dims_input(0, "dims"));
  TENON_TRY_DO(check_extents(node, dims));
  Emitter::Operand value = emitter.number(0, DType::kFloat32);
  if (const Tensor* tensor = node.tensor("value")) {
    value = emitter.reshape(node.graph().import_tensor(*tensor), {});
  }
  return node.finish(emitter.expand(std::move(value), std::move(dims)));
}

Result<void> import_range(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId start, node.input(0));
  TENON_TRY(ValueId step, node.input(2));
  TENON_TRY(ValueId limit, node.input(1));
  Dim size;
  const auto first = emitter.scalar(start);
  const auto last = emitter.scalar(limit);
  const auto stride = emitter.scalar(step);
  if (first && last && stride) {
    if (*stride == 0) return node.bad("a range whose delta is 0");
    const double count = std::max(0.0, std::ceil((*last - *first) / *stride));
    if (!(count < 0x1p40)) return node.bad("a range beyond any limit");
    size = static_cast<int64_t>(count);
  } else {
    TENON_TRY(std::vector<Dim> from, node.dims_input(0, "bounds"));
    TENON_TRY(std::vector<Dim> to, node.dims_input(1, "bounds"));
    TENON_TRY(int64_t by, node.integer_input(2, "deltas"));
    if (from.size() != 1 || to.size() != 1 || by == 0 || by == INT64_MIN) {
      return node.bad("a range needs three scalars, and a delta that is not 0");
    }
    ir::Dims& dims = emitter.dims();
    const Dim distance = by > 0 ? dims.sub(to[0], from[0]) : dims.sub(from[0], to[0]);
    size = larger(dims, dims.ceil_div(distance, by > 0 ? by : -by), 0);
  }
  const auto scalar = [&](ValueId value) { return emitter.reshape(value, {}); };
  return node.finish(
      emitter.emit(Op::kRange, {scalar(start), scalar(step)}, {{"size", std::vector<Dim>{size}}}));
}

Result<void> import_eye_like(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(DType dtype, node.dtype("dtype", emitter.dtype(x)));
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() != 2) return node.bad("EyeLike of a tensor that is no matrix");
  const Emitter::Operand row = emitter.reshape(indices(emitter, dims[0]), {dims[0], 1});
  const Emitter::Operand diagonal =
      emitter.with_number(Op::kAdd, row, static_cast<double>(node.integer("k", 0)));
  return node.finish(
      emitter.cast(emitter.emit(Op::kEqual, {diagonal, indices(emitter, dims[1])}), dtype));
}

namespace {

/// The target of a Reshape with -1 and 0 replaced.
Result<std::vector<Dim>> reshape_target(NodeContext& node, const std::vector<Dim>& from,
                                        std::vector<Dim> target) {
  ir::Dims& dims = node.emitter().dims();
  std::optional<size_t> inferred;
  std::vector<Dim> known;
  const bool zero_is_zero = node.flag("allowzero", false);
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i].is(0) && !zero_is_zero) {
      if (i >= from.size()) return node.bad("keeps a dim that its operand does not have");
      target[i] = from[i];
    }
    if (target[i].is(-1)) {
      if (inferred) return node.bad("leaves two dims open");
      inferred = i;
    } else {
      known.push_back(target[i]);
    }
  }
  TENON_TRY_DO(check_extents(node, known));
  if (!inferred) return target;
  // Dims that are the same on both sides cancel, also where one of them may be 0.
  std::vector<Dim> rest = from;
  std::erase_if(known, [&rest](Dim dim) {
    const auto same = std::ranges::find(rest, dim);
    if (same == rest.end()) return false;
    rest.erase(same);
    return true;
  });
  const Dim divisor = dims.product(known);
  const Dim total = dims.product(rest);
  if (divisor.is(0)) {
    target[*inferred] = 0;
    return target;
  }
  const std::optional<Dim> quotient = dims.exact_div(total, divisor);
  if (!quotient) {
    return fail(ErrorKind::kBadShape,
                fmt::format("cannot reshape {} elements into rows of {}", dims.to_string(total),
                            dims.to_string(divisor)),
                node.emitter().where(),
                total.is_constant() ? "" : "fix the open sizes with --shape, shapes= in Python");
  }
  target[*inferred] = *quotient;
  return target;
}

}  // namespace

Result<void> import_reshape(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(std::vector<Dim> target, node.dims_input(1, "dims"));
  TENON_TRY(std::vector<Dim> dims, reshape_target(node, emitter.shape(x), std::move(target)));
  return node.finish(emitter.reshape(x, std::move(dims)));
}

Result<void> import_flatten(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const std::vector<Dim> dims = emitter.shape(x);
  const int64_t rank = emitter.rank(x);
  int64_t axis = node.integer("axis", 1);
  if (axis < -rank || axis > rank) return node.bad(fmt::format("axis {} of {} axes", axis, rank));
  if (axis < 0) axis += rank;
  const std::span<const Dim> all(dims);
  const auto at = static_cast<size_t>(axis);
  return node.finish(emitter.reshape(
      x, {emitter.dims().product(all.subspan(0, at)), emitter.dims().product(all.subspan(at))}));
}

Result<void> import_squeeze(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(auto given, node.axes_operand(1, 13));
  const std::vector<Dim> dims = emitter.shape(x);
  std::vector<int64_t> axes;
  if (given) {
    TENON_TRY(axes, node.axes(*given, emitter.rank(x)));
  }
  std::vector<Dim> kept;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool named = std::ranges::find(axes, static_cast<int64_t>(i)) != axes.end();
    if (given ? !named : !dims[i].is(1)) kept.push_back(dims[i]);
    if (named && dims[i].is_constant() && !dims[i].is(1)) {
      return node.bad(fmt::format("squeezes axis {}, whose extent is {}", i, dims[i].value()));
    }
  }
  return node.finish(emitter.reshape(x, std::move(kept)));
}

Result<void> import_unsqueeze(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(auto given, node.axes_operand(1, 13));
  if (!given) return node.bad("axes are missing");
  std::vector<Dim> dims = emitter.shape(x);
  TENON_TRY(std::vector<int64_t> axes,
            node.axes(*given, static_cast<int64_t>(dims.size() + given->size())));
  std::ranges::sort(axes);
  for (int64_t axis : axes) dims.insert(dims.begin() + axis, 1);
  return node.finish(emitter.reshape(x, std::move(dims)));
}

Result<void> import_expand(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(std::vector<Dim> target, node.dims_input(1, "dims"));
  TENON_TRY_DO(check_extents(node, target));
  // The rule is a broadcast of both: a target of 1 keeps the operand's dim.
  std::vector<Dim> dims = emitter.shape(x);
  while (dims.size() < target.size()) dims.insert(dims.begin(), 1);
  while (target.size() < dims.size()) target.insert(target.begin(), 1);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].is(1)) dims[i] = target[i];
  }
  return node.finish(emitter.expand(x, std::move(dims)));
}

}  // namespace tenon::import::onnx
