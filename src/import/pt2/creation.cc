// Operators that make tensors from numbers, and those that change only the element type.
#include <cmath>

#include "import/build.h"
#include "import/pt2/operators.h"
#include "import/pt2/promotion.h"
#include "import/pt2/views.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The element type of the result: what the file says, else what the argument asks for.
DType result_dtype(const NodeContext& node, DType otherwise) {
  return node.result_type() ? node.result_type()->dtype : otherwise;
}

Result<void> fill(NodeContext& node, std::vector<Dim> dims, const Value& value) {
  const Operand one = as_operand(node, value, result_dtype(node, DType::kFloat32));
  return node.finish(node.emitter().expand(one, std::move(dims)));
}

Result<void> fill_like(NodeContext& node, const Value& value) {
  TENON_TRY(ValueId like, node.tensor("self"));
  return fill(node, node.emitter().shape(like), value);
}

}  // namespace

Result<void> import_zeros(NodeContext& node) { return fill(node, node.dims("size"), {Dim(0)}); }
Result<void> import_ones(NodeContext& node) { return fill(node, node.dims("size"), {Dim(1)}); }
Result<void> import_full(NodeContext& node) {
  return fill(node, node.dims("size"), node.argument("fill_value"));
}
Result<void> import_zeros_like(NodeContext& node) { return fill_like(node, {Dim(0)}); }
Result<void> import_ones_like(NodeContext& node) { return fill_like(node, {Dim(1)}); }
Result<void> import_full_like(NodeContext& node) {
  return fill_like(node, node.argument("fill_value"));
}
Result<void> import_fill(NodeContext& node) { return fill_like(node, node.argument("value")); }
Result<void> import_scalar_tensor(NodeContext& node) { return fill(node, {}, node.argument("s")); }

Result<void> import_copy(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId target, node.tensor("self"));
  TENON_TRY(ValueId source, node.tensor("src"));
  return node.finish(
      emitter.expand(emitter.cast(source, emitter.dtype(target)), emitter.shape(target)));
}

namespace {

/// start, start + step, ... below end.
Result<void> arange(NodeContext& node, const Value& start, const Value& end, const Value& step) {
  Emitter& emitter = node.emitter();
  const DType dtype = result_dtype(node, DType::kInt64);
  Dim count = 0;
  const auto *from = start.get<Dim>(), *to = end.get<Dim>(), *by = step.get<Dim>();
  if (from && to && by) {
    if (!by->is_constant() || by->value() == 0) return node.unsupported("a step of open size");
    ir::Dims& dims = emitter.dims();
    const Dim distance = by->value() > 0 ? dims.sub(*to, *from) : dims.sub(*from, *to);
    count = dims.ceil_div(distance, std::abs(by->value()));
    if (count.is_constant() && count.value() < 0) count = 0;
  } else {
    const auto number = [](const Value& value) {
      const auto* size = value.get<Dim>();
      const auto* real = value.get<double>();
      return real ? *real : size && size->is_constant() ? static_cast<double>(size->value()) : NAN;
    };
    const double length = std::ceil((number(end) - number(start)) / number(step));
    if (!(length >= 0 && length < 0x1p31)) return node.unsupported("such a range of numbers");
    count = static_cast<int64_t>(length);
  }
  return node.finish(emitter.emit(Op::kRange,
                                  {as_operand(node, start, dtype), as_operand(node, step, dtype)},
                                  {{"size", std::vector<Dim>{count}}}));
}

}  // namespace

Result<void> import_arange(NodeContext& node) {
  return arange(node, {Dim(0)}, node.argument("end"), {Dim(1)});
}
Result<void> import_arange_start(NodeContext& node) {
  return arange(node, node.argument("start"), node.argument("end"), {Dim(1)});
}
Result<void> import_arange_step(NodeContext& node) {
  return arange(node, node.argument("start"), node.argument("end"), node.argument("step"));
}

Result<void> import_eye(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const Dim rows = node.dim("n");
  const Dim columns = node.takes("m") ? node.dim("m") : rows;
  return node.finish(emitter.cast(
      emitter.emit(Op::kEqual,
                   {emitter.reshape(indices(emitter, rows), {rows, 1}), indices(emitter, columns)}),
      result_dtype(node, DType::kFloat32)));
}

Result<void> import_linspace(NodeContext& node) {
  Emitter& emitter = node.emitter();
  const double start = node.number("start"), end = node.number("end");
  const int64_t steps = node.integer("steps");
  const DType dtype = result_dtype(node, DType::kFloat32);
  if (steps < 0 || steps > Emitter::kFoldElements || !is_float(dtype)) {
    return node.unsupported("such a range of numbers");
  }
  std::vector<double> values;
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  for (int64_t i = 0; i < steps; ++i) {
    // From the nearer end, as eager does.
    values.push_back(i < steps / 2 ? start + step * static_cast<double>(i)
                                   : end - step * static_cast<double>(steps - 1 - i));
  }
  if (steps == 1) values[0] = start;
  return node.finish(emitter.numbers(values, dtype));
}

namespace {

/// The tensor in this element type: the tensor itself where it has it already.
Result<void> convert(NodeContext& node, DType dtype, bool copies) {
  TENON_TRY(ValueId x, node.tensor("self"));
  if (node.emitter().dtype(x) == dtype && !copies) return import_alias(node);
  return node.finish(node.emitter().cast(x, dtype));
}

}  // namespace

Result<void> import_to_dtype(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(DType dtype, node.dtype("dtype", node.emitter().dtype(x)));
  return convert(node, dtype, node.flag("copy"));
}

Result<void> import_to_copy(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(DType dtype, node.dtype("dtype", node.emitter().dtype(x)));
  return convert(node, dtype, true);
}

Result<void> import_to_other(NodeContext& node) {
  TENON_TRY(ValueId other, node.tensor("other"));
  return convert(node, node.emitter().dtype(other), node.flag("copy"));
}

Result<void> import_type_as(NodeContext& node) {
  TENON_TRY(ValueId other, node.tensor("other"));
  return convert(node, node.emitter().dtype(other), false);
}

Result<void> import_dropout(NodeContext& node) {
  if (node.flag("train") && node.number("p") != 0) {
    return node.unsupported("dropout in training (call model.eval() first)");
  }
  return node.finish_view("input", alias_view());
}

}  // namespace tenon::import::pt2
