#include "import/elements.h"

#include <algorithm>

namespace tenon::import {
namespace {

using ir::Dim;
using ir::Op;

/// Coefficients above this are left alone: arithmetic on dims must not overflow.
constexpr int64_t kModerate = int64_t{1} << 28;

bool is_moderate(const ir::Dims& dims, Dim dim) {
  return std::ranges::all_of(dims.terms(dim), [](const ir::Term& term) {
    return -kModerate < term.coefficient && term.coefficient < kModerate;
  });
}

std::optional<Dim> decided(bool is_true, bool is_false) {
  if (is_true) return Dim(1);
  if (is_false) return Dim(0);
  return std::nullopt;
}

std::optional<Dim> binary(ir::Dims& dims, Op op, Dim a, Dim b) {
  const auto less = [&] { return at_least(dims, b, dims.add(a, 1)); };
  const auto greater = [&] { return at_least(dims, a, dims.add(b, 1)); };
  const auto divides = [&] { return at_least(dims, a, 0) && at_least(dims, b, 1); };
  switch (op) {
    case Op::kAdd: return dims.add(a, b);
    case Op::kSub: return dims.sub(a, b);
    case Op::kMul: return dims.mul(a, b);
    case Op::kDiv: return b.is(0) ? std::nullopt : dims.exact_div(a, b);
    case Op::kFloorDiv: return divides() ? std::optional(dims.floor_div(a, b)) : std::nullopt;
    case Op::kMod:
    case Op::kFmod: return divides() ? std::optional(dims.mod(a, b)) : std::nullopt;
    case Op::kMin: return smaller(dims, a, b);
    case Op::kMax: return larger(dims, a, b);
    case Op::kEqual: return decided(a == b, less() || greater());
    case Op::kNotEqual: return decided(less() || greater(), a == b);
    case Op::kLess: return decided(less(), at_least(dims, a, b));
    case Op::kLessEqual: return decided(at_least(dims, b, a), greater());
    case Op::kGreater: return decided(greater(), at_least(dims, b, a));
    case Op::kGreaterEqual: return decided(at_least(dims, a, b), less());
    default: return std::nullopt;
  }
}

std::optional<Dim> elementwise(ir::Dims& dims, Op op, std::span<const Dim> x) {
  switch (op) {
    case Op::kNeg: return dims.sub(0, x[0]);
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound:
    case Op::kTrunc:
    case Op::kCopy: return x[0];
    case Op::kWhere:
      if (!x[0].is_constant()) return x[1] == x[2] ? std::optional(x[1]) : std::nullopt;
      return x[0].is(0) ? x[2] : x[1];
    default: return x.size() == 2 ? binary(dims, op, x[0], x[1]) : std::nullopt;
  }
}

Dim value_of(ir::Dims& dims, const ir::Atom& atom) {
  switch (atom.kind) {
    case ir::AtomKind::kSymbol: return dims.symbol(atom.symbol);
    case ir::AtomKind::kFloorDiv: return dims.floor_div(atom.a, atom.b);
    case ir::AtomKind::kMod: return dims.mod(atom.a, atom.b);
    case ir::AtomKind::kMin: return dims.min(atom.a, atom.b);
    case ir::AtomKind::kMax: return dims.max(atom.a, atom.b);
  }
  std::unreachable();
}

/// At most `dim`: what is taken off is replaced by more, quotients of sizes by the dividends and
/// sizes that data decides by the most that they can be.
Dim lower_bound(ir::Dims& dims, Dim dim) {
  Dim result = 0;
  for (const ir::Term& term : dims.terms(dim)) {
    Dim product = term.coefficient;
    for (uint32_t index : term.atoms) {
      const ir::Atom atom = dims.atom(index);
      const bool is_taken_off = term.coefficient < 0 && term.atoms.size() == 1;
      const bool is_quotient = atom.kind == ir::AtomKind::kFloorDiv && atom.b.is_constant() &&
                               dims.never_negative(atom.a);
      const auto read = atom.kind == ir::AtomKind::kSymbol ? dims.read_symbols().find(atom.symbol)
                                                           : dims.read_symbols().end();
      Dim factor = value_of(dims, atom);
      if (is_taken_off && is_quotient) factor = atom.a;
      if (is_taken_off && read != dims.read_symbols().end()) factor = read->second;
      product = dims.mul(product, factor);
    }
    result = dims.add(result, product);
  }
  return result;
}

/// The index into an operand that broadcasts to `result`, of the result's element `index`.
size_t broadcast_index(const ir::TensorType& operand, const ir::TensorType& result, size_t index) {
  size_t operand_index = 0;
  size_t stride = 1;
  for (size_t i = 0; i < operand.rank(); ++i) {
    const auto extent = static_cast<size_t>(operand.dims[operand.rank() - 1 - i].value());
    const auto steps = static_cast<size_t>(result.dims[result.rank() - 1 - i].value());
    if (extent != 1) operand_index += stride * (index % steps);
    index /= steps;
    stride *= extent;
  }
  return operand_index;
}

using Elements = std::optional<std::vector<Dim>>;

Elements pointwise(ir::Dims& dims, Op op, std::span<const KnownTensor> operands,
                   const ir::TensorType& result) {
  std::vector<Dim> elements;
  std::vector<Dim> at(operands.size());
  for (size_t i = 0; i < static_cast<size_t>(result.element_count()); ++i) {
    for (size_t k = 0; k < operands.size(); ++k) {
      at[k] = operands[k].elements[broadcast_index(operands[k].type, result, i)];
    }
    const std::optional<Dim> element = elementwise(dims, op, at);
    if (!element) return std::nullopt;
    elements.push_back(*element);
  }
  return elements;
}

Elements gather(std::span<const KnownTensor> operands) {
  const auto& [type, x] = operands[0];
  if (type.rank() != 1) return std::nullopt;
  std::vector<Dim> elements;
  for (Dim index : operands[1].elements) {
    if (!index.is_constant()) return std::nullopt;
    const auto extent = static_cast<int64_t>(x.size());
    const int64_t i = index.value() < 0 ? index.value() + extent : index.value();
    if (i < 0 || i >= extent) return std::nullopt;
    elements.push_back(x[static_cast<size_t>(i)]);
  }
  return elements;
}

Elements slice(const ir::Attrs& attrs, const KnownTensor& x, const ir::TensorType& result) {
  const Dim start = x.type.rank() == 1 ? attrs.dims("starts")[0] : Dim(-1);
  if (!start.is_constant() || start.value() < 0) return std::nullopt;
  std::vector<Dim> elements;
  for (int64_t i = 0; i < result.element_count(); ++i) {
    elements.push_back(
        x.elements[static_cast<size_t>(start.value() + i * attrs.integers("steps")[0])]);
  }
  return elements;
}

Elements concat(std::span<const KnownTensor> operands) {
  std::vector<Dim> elements;
  for (const auto& [type, x] : operands) {
    if (type.rank() != 1) return std::nullopt;
    elements.insert(elements.end(), x.begin(), x.end());
  }
  return elements;
}

Elements tile(const KnownTensor& x, const ir::TensorType& result) {
  if (x.type.rank() != 1) return std::nullopt;
  std::vector<Dim> elements;
  for (size_t i = 0; i < static_cast<size_t>(result.element_count()); ++i) {
    elements.push_back(x.elements[i % x.elements.size()]);
  }
  return elements;
}

Elements reduce(ir::Dims& dims, const ir::Attrs& attrs, const KnownTensor& x,
                const ir::TensorType& result) {
  if (result.element_count() != 1 || x.elements.empty()) return std::nullopt;
  const std::string& kind = attrs.text("kind");
  const Op op = kind == "prod"  ? Op::kMul
                : kind == "sum" ? Op::kAdd
                : kind == "max" ? Op::kMax
                : kind == "min" ? Op::kMin
                                : Op::kReduce;
  Dim total = x.elements[0];
  for (size_t i = 1; i < x.elements.size(); ++i) {
    const std::optional<Dim> next = binary(dims, op, total, x.elements[i]);
    if (!next || !is_moderate(dims, *next)) return std::nullopt;
    total = *next;
  }
  return std::vector{total};
}

}  // namespace

bool at_least(ir::Dims& dims, Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return a.value() >= b.value();
  const Dim difference = lower_bound(dims, dims.sub(a, b));
  std::map<std::string, Dim> one_more;
  for (const std::string& symbol : dims.symbols(difference)) {
    if (dims.read_symbols().contains(symbol)) continue;
    one_more.emplace(symbol, dims.add(dims.symbol(symbol), 1));
  }
  return dims.never_negative(dims.substitute(difference, one_more));
}

Dim smaller(ir::Dims& dims, Dim a, Dim b) {
  if (at_least(dims, b, a)) return a;
  return at_least(dims, a, b) ? b : dims.min(a, b);
}

Dim larger(ir::Dims& dims, Dim a, Dim b) {
  if (at_least(dims, a, b)) return a;
  return at_least(dims, b, a) ? b : dims.max(a, b);
}

Elements known_result(ir::Dims& dims, Op op, const ir::Attrs& attrs,
                      std::span<const KnownTensor> operands, const ir::TensorType& result) {
  for (const KnownTensor& operand : operands) {
    for (Dim element : operand.elements) {
      if (!is_moderate(dims, element)) return std::nullopt;
    }
  }
  switch (op) {
    case Op::kCast:
      if (size_of(result.dtype) < 4) return std::nullopt;
      return operands[0].elements;
    case Op::kReshape: return operands[0].elements;
    case Op::kExpand: return pointwise(dims, Op::kCopy, operands, result);
    case Op::kGather: return gather(operands);
    case Op::kSlice: return slice(attrs, operands[0], result);
    case Op::kConcat: return concat(operands);
    case Op::kTile: return tile(operands[0], result);
    case Op::kReduce: return reduce(dims, attrs, operands[0], result);
    case Op::kDiv:
      return pointwise(dims, is_float(result.dtype) ? Op::kDiv : Op::kFloorDiv, operands, result);
    default: return ir::info(op).elementwise ? pointwise(dims, op, operands, result) : std::nullopt;
  }
}

}  // namespace tenon::import
