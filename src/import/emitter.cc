#include "import/emitter.h"

#include <algorithm>
#include <cmath>

#include "import/elements.h"
#include "ops/op.h"

namespace tenon::import {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// Whether a type's element count is a number of at most `limit`.
bool is_small(const ir::TensorType& type, int64_t limit) {
  if (!type.is_static()) return false;
  std::vector<int64_t> extents;
  for (Dim dim : type.dims) extents.push_back(dim.value());
  const std::optional<int64_t> count = ir::checked_product(extents);
  return count && *count <= limit;
}

std::vector<int64_t> extents_of(const ir::TensorType& type) {
  std::vector<int64_t> extents;
  for (Dim dim : type.dims) extents.push_back(dim.value());
  return extents;
}

ops::Tensor borrow(const ir::Data& data) {
  return ops::Tensor::borrow(data.type.dtype, extents_of(data.type), data.bytes);
}

bool are_numbers(const ir::Attrs& attrs) {
  return std::ranges::all_of(attrs, [](const auto& entry) {
    const auto* dims = std::get_if<std::vector<Dim>>(&entry.second);
    return !dims || std::ranges::all_of(*dims, [](Dim dim) { return dim.is_constant(); });
  });
}

/// Nodes that are compared to see that two values are equal.
constexpr int kComparedNodes = 64;

/// Whether the values are made from the same operands in the same way, as far as `steps` nodes
/// tell.
bool is_same_work(const ir::Module& module, ValueId a, ValueId b, int& steps) {
  if (a == b) return true;
  if (!a || !b || !module.producer(a) || !module.producer(b) || --steps < 0) return false;
  const ir::Node &left = module.node(module.producer(a)), &right = module.node(module.producer(b));
  if (left.op != right.op || module.value(a).result != module.value(b).result) return false;
  if (left.attrs.has("data")) {
    const ir::Data &x = module.data(left.attrs.data("data")),
                   &y = module.data(right.attrs.data("data"));
    return x.type == y.type && std::ranges::equal(x.bytes, y.bytes);
  }
  return left.attrs == right.attrs &&
         std::ranges::equal(left.inputs, right.inputs, [&](ValueId x, ValueId y) {
           return is_same_work(module, x, y, steps);
         });
}

/// The values of operands that all exist, with optional ones that are not named as none.
Result<std::vector<ValueId>> unwrap(Op op, std::vector<Emitter::Operand>& operands) {
  std::vector<ValueId> values;
  for (Emitter::Operand& operand : operands) {
    if (!operand) return std::unexpected(std::move(operand).error());
    values.push_back(*operand);
  }
  values.resize(std::max(values.size(), ir::info(op).operands.size()));
  return values;
}

}  // namespace

Where Emitter::where() const {
  if (!origin_) return {};
  const ir::Origin& origin = module_.origin(origin_);
  return {.node = origin.node, .source = origin.source};
}

std::optional<ir::TensorType> Emitter::infer(Op op, const std::vector<ValueId>& operands,
                                             const ir::Attrs& attrs) {
  std::vector<const ir::TensorType*> types;
  for (ValueId operand : operands) {
    types.push_back(operand ? &module_.value(operand).type : nullptr);
  }
  ops::InferContext context{module_.dims, attrs, types};
  ops::Inferred inferred = ops::operator_of(op).infer(context);
  if (!inferred || inferred->size() != 1) return std::nullopt;
  return inferred->front();
}

std::optional<ValueId> Emitter::fold(Op op, const std::vector<ValueId>& operands,
                                     const ir::Attrs& attrs) {
  std::vector<const ir::Data*> data;
  for (ValueId operand : operands) {
    data.push_back(operand ? module_.constant(operand) : nullptr);
    if (operand && (!data.back() || !is_small(data.back()->type, kFoldElements))) {
      return std::nullopt;
    }
  }
  const ops::Operator& meaning = ops::operator_of(op);
  if (operands.empty() || !meaning.evaluate || !are_numbers(attrs)) return std::nullopt;
  const std::optional<ir::TensorType> type = infer(op, operands, attrs);
  if (!type || !is_small(*type, kFoldElements)) return std::nullopt;

  std::vector<ops::Tensor> tensors;
  tensors.reserve(data.size());
  std::vector<const ops::Tensor*> pointers;
  for (const ir::Data* one : data) {
    pointers.push_back(one ? &tensors.emplace_back(borrow(*one)) : nullptr);
  }
  ops::Tensor result(type->dtype, extents_of(*type));
  ops::Tensor* results[] = {&result};
  ops::EvaluateContext context{attrs, pointers, results};
  // What cannot be computed stays a node, which reports the same when it runs.
  if (!meaning.evaluate(context)) return std::nullopt;
  return ops::add_constant(module_, result, origin_);
}

Result<std::optional<ValueId>> Emitter::track(Op op, const std::vector<ValueId>& operands,
                                              const ir::Attrs& attrs) {
  std::vector<KnownTensor> known;
  for (ValueId operand : operands) {
    auto values = operand ? elements(operand) : std::nullopt;
    if (!values) return std::nullopt;
    known.push_back({type(operand), *std::move(values)});
  }
  if (known.empty()) return std::nullopt;
  const std::optional<ir::TensorType> result = infer(op, operands, attrs);
  if (!result || !is_small(*result, kKnownElements)) return std::nullopt;
  auto values = known_result(module_.dims, op, attrs, known, *result);
  if (!values) return std::nullopt;
  TENON_TRY(ValueId value, from_elements(*result, *std::move(values)));
  return value;
}

Result<ValueId> Emitter::emit(Op op, std::vector<Operand> operands, ir::Attrs attrs) {
  TENON_TRY(std::vector<ValueId> values, unwrap(op, operands));
  if (auto folded = fold(op, values, attrs)) return *folded;
  TENON_TRY(std::optional<ValueId> tracked, track(op, values, attrs));
  if (tracked) return *tracked;
  return ops::add(module_, op, std::move(values), std::move(attrs), origin_);
}

Result<std::vector<ValueId>> Emitter::emit_all(Op op, std::vector<Operand> operands,
                                               ir::Attrs attrs) {
  TENON_TRY(std::vector<ValueId> values, unwrap(op, operands));
  TENON_TRY(ir::NodeId node,
            ops::add_node(module_, op, std::move(values), std::move(attrs), origin_));
  return module_.node(node).outputs;
}

Dim Emitter::read_size(ValueId count, Dim largest) {
  for (const ir::ReadSize& read : module_.read_sizes) {
    int steps = kComparedNodes;
    if (is_same_work(module_, read.value, count, steps)) return dims().symbol(read.symbol);
  }
  return module_.read_size(count, largest);
}

std::optional<std::vector<Dim>> Emitter::elements(ValueId value) const {
  const ir::NodeId producer = module_.producer(value);
  if (!producer || !is_small(module_.value(value).type, kKnownElements)) return std::nullopt;
  const ir::Node& node = module_.node(producer);
  switch (node.op) {
    case Op::kDimsTensor: return node.attrs.dims("dims");
    case Op::kReshape:
    case Op::kCast: return elements(node.inputs[0]);
    case Op::kConstant: break;
    default: return std::nullopt;
  }
  const ops::Tensor tensor = borrow(*module_.constant(value));
  std::vector<Dim> elements;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (is_float(tensor.dtype())) {
      const double number = tensor.number(i);
      if (!(std::abs(number) < 0x1p53) || number != std::floor(number)) return std::nullopt;
    }
    elements.emplace_back(tensor.integer(i));
  }
  return elements;
}

std::optional<std::vector<int64_t>> Emitter::integers(ValueId value) const {
  const auto known = elements(value);
  if (!known) return std::nullopt;
  std::vector<int64_t> integers;
  for (Dim element : *known) {
    if (!element.is_constant()) return std::nullopt;
    integers.push_back(element.value());
  }
  return integers;
}

ValueId Emitter::number(double value, DType dtype) {
  ops::Tensor tensor(dtype, {});
  tensor.set_number(0, value);
  return ops::add_constant(module_, tensor, origin_);
}

ValueId Emitter::numbers(const std::vector<double>& values, DType dtype) {
  ops::Tensor tensor(dtype, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) {
    tensor.set_number(static_cast<int64_t>(i), values[i]);
  }
  return ops::add_constant(module_, tensor, origin_);
}

Result<ValueId> Emitter::from_elements(const ir::TensorType& type, std::vector<Dim> elements) {
  if (std::ranges::all_of(elements, [](Dim dim) { return dim.is_constant(); })) {
    ops::Tensor tensor(type.dtype, extents_of(type));
    for (size_t i = 0; i < elements.size(); ++i) {
      tensor.set_integer(static_cast<int64_t>(i), elements[i].value());
    }
    return ops::add_constant(module_, tensor, origin_);
  }
  const bool is_scalar = type.rank() == 0;
  Operand value = ops::add(module_, Op::kDimsTensor, {},
                           {{"dims", std::move(elements)}, {"scalar", is_scalar}}, origin_);
  if (value && type.rank() > 1) {
    value = ops::add(module_, Op::kReshape, {*value}, {{"dims", type.dims}}, origin_);
  }
  if (!value || dtype(*value) == type.dtype) return value;
  return ops::add(module_, Op::kCast, {*value}, {{"to", type.dtype}}, origin_);
}

Result<ValueId> Emitter::from_dims(std::vector<Dim> elements) {
  const auto count = static_cast<int64_t>(elements.size());
  return from_elements({DType::kInt64, {count}}, std::move(elements));
}

Emitter::Operand Emitter::reshape(Operand x, std::vector<Dim> dims) {
  if (x && shape(*x) == dims) return x;
  return emit(Op::kReshape, {std::move(x)}, {{"dims", std::move(dims)}});
}

Emitter::Operand Emitter::transpose(Operand x, std::vector<int64_t> perm) {
  if (std::ranges::is_sorted(perm)) return x;
  return emit(Op::kTranspose, {std::move(x)}, {{"perm", std::move(perm)}});
}

Emitter::Operand Emitter::expand(Operand x, std::vector<Dim> dims) {
  if (x && shape(*x) == dims) return x;
  return emit(Op::kExpand, {std::move(x)}, {{"dims", std::move(dims)}});
}

Emitter::Operand Emitter::cast(Operand x, DType to) {
  if (x && dtype(*x) == to) return x;
  return emit(Op::kCast, {std::move(x)}, {{"to", to}});
}

Emitter::Operand Emitter::concat(const std::vector<Operand>& xs, int64_t axis) {
  if (xs.size() == 1) return xs.front();
  return emit(Op::kConcat, xs, {{"axis", axis}});
}

Emitter::Operand Emitter::reduce(Operand x, std::string_view kind, std::vector<int64_t> axes,
                                 bool keep) {
  return emit(Op::kReduce, {std::move(x)},
              {{"kind", std::string(kind)}, {"axes", std::move(axes)}, {"keep", keep}});
}

Emitter::Operand Emitter::with_number(Op op, Operand x, double value) {
  if (!x) return x;
  return emit(op, {x, number(value, dtype(*x))});
}

Emitter::Operand Emitter::slice(Operand x, int64_t axis, Dim start, Dim end, int64_t step) {
  if (!x) return x;
  std::vector<Dim> extents = shape(*x);
  Dim& extent = extents[static_cast<size_t>(axis)];
  const Dim whole = extent;
  // The first and the last legal position of a bound: one beyond the elements on the far side.
  const Dim lowest = step > 0 ? 0 : -1;
  const Dim highest = step > 0 ? whole : dims().sub(whole, 1);
  constexpr int64_t kBeyond = int64_t{1} << 40;
  step = std::clamp(step, -kBeyond, kBeyond);
  bool is_assumed = false;
  const auto position = [&](Dim bound, Dim lowest_bound) {
    if (bound.is_constant() && bound.value() >= kBeyond) return highest;
    if (bound.is_constant() && bound.value() <= -kBeyond) return lowest_bound;
    // A bound whose sign depends on sizes is taken as a position.
    if (at_least(dims(), -1, bound)) bound = dims().add(bound, whole);
    if (whole.is_constant() && !at_least(dims(), highest, bound) &&
        !at_least(dims(), bound, highest)) {
      is_assumed = true;
      return bound;
    }
    return larger(dims(), lowest_bound, smaller(dims(), bound, highest));
  };
  const Dim first = position(start, 0);
  const Dim last = position(end, lowest);
  const Dim distance = step > 0 ? dims().sub(last, first) : dims().sub(first, last);
  extent = larger(dims(), dims().ceil_div(distance, std::abs(step)), 0);
  if (step == 1 && extent == whole) return x;
  if (is_assumed) {
    const Operand places = emit(Op::kRange,
                                {from_elements({DType::kInt64, {}}, {first}),
                                 number(static_cast<double>(step), DType::kInt64)},
                                {{"size", std::vector<Dim>{extent}}});
    return emit(Op::kGather, {std::move(x), places}, {{"axis", axis}});
  }
  std::vector<Dim> starts(extents.size(), 0);
  std::vector<int64_t> steps(extents.size(), 1);
  starts[static_cast<size_t>(axis)] = first;
  steps[static_cast<size_t>(axis)] = step;
  return emit(
      Op::kSlice, {std::move(x)},
      {{"starts", std::move(starts)}, {"steps", std::move(steps)}, {"dims", std::move(extents)}});
}

}  // namespace tenon::import
