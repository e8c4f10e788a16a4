#include <algorithm>

#include "base/result.h"
#include "ir/loop_builder.h"
#include "ir/loop_constant.h"

namespace tenon::ir {
namespace {

using enum ExprKind;

LoopBuilder& builder_of(E e) {
  TENON_CHECK(e.builder != nullptr, "an expression");
  return *e.builder;
}

}  // namespace

VectorType E::type() const {
  TENON_CHECK(builder != nullptr, "an expression");
  return builder->at(*this).type;
}

std::optional<int64_t> E::constant() const {
  TENON_CHECK(builder != nullptr, "an expression");
  const Expr& e = builder->at(*this);
  if (e.kind != kInteger) return std::nullopt;
  return e.bits;
}

#define TENON_BINARY(op, call)                                                     \
  E operator op(E a, E b) { return builder_of(a).call; }                           \
  E operator op(E a, Number n) { return a op builder_of(a).literal(n, a.type()); } \
  E operator op(Number n, E b) { return builder_of(b).literal(n, b.type()) op b; }
TENON_BINARY(+, binary(kAdd, a, b))
TENON_BINARY(-, binary(kSub, a, b))
TENON_BINARY(*, binary(kMul, a, b))
TENON_BINARY(/, binary(kDiv, a, b))
TENON_BINARY(%, binary(kRem, a, b))
TENON_BINARY(<, binary(kLt, a, b))
TENON_BINARY(<=, binary(kLe, a, b))
TENON_BINARY(>, binary(kLt, b, a))
TENON_BINARY(>=, binary(kLe, b, a))
TENON_BINARY(==, binary(kEq, a, b))
TENON_BINARY(!=, binary(kNe, a, b))
TENON_BINARY(&, binary(kAnd, a, b))
TENON_BINARY(|, binary(kOr, a, b))
#undef TENON_BINARY
E operator-(E a) { return builder_of(a).unary(kNeg, a); }
E operator!(E a) { return builder_of(a).unary(kNot, a); }

E LoopBuilder::convert(E constant, VectorType type) {
  Expr e = at(constant);
  bool real = e.kind == kFloat || is_float(type.dtype);
  Number value = real ? Number(float_value(e)) : Number(e.bits);
  E converted = literal(value, type);
  TENON_CHECK(e.kind == kFloat || is_float(type.dtype) || at(converted).bits == e.bits,
              "a constant that the other operand's dtype holds");
  return converted;
}

void LoopBuilder::match(E& a, E& b) {
  VectorType left = a.type(), right = b.type();
  if (left.lanes != right.lanes) {
    TENON_CHECK(left.lanes == 1 || right.lanes == 1, "operands of equal lanes, or a scalar");
    if (left.lanes == 1) a = broadcast(a, right.lanes);
    if (right.lanes == 1) b = broadcast(b, left.lanes);
  }
  if (left.dtype == right.dtype) return;
  if (is_constant(at(b)) && !(is_constant(at(a)) && is_float(right.dtype))) {
    b = convert(b, a.type());
  } else {
    TENON_CHECK(is_constant(at(a)), "operands of one dtype");
    a = convert(a, b.type());
  }
}

E LoopBuilder::unary(ExprKind kind, E a) {
  VectorType type = a.type();
  if (!is_float(type.dtype)) {
    bool rounds = kind == kFloor || kind == kCeil || kind == kRound || kind == kTrunc;
    if (rounds || (fold_ && kind == kAbs && !is_signed(type.dtype))) return a;
  }
  if (fold_ && is_constant(at(a))) {
    if (auto folded = fold_unary(kind, at(a))) return expr(*folded);
  }
  return expr({.kind = kind, .type = type, .a = a.id});
}

E LoopBuilder::binary(ExprKind kind, E a, E b) {
  match(a, b);
  VectorType type = a.type();
  if (fold_) {
    if (is_constant(at(a)) && is_constant(at(b))) {
      if (auto folded = fold_binary(kind, at(a), at(b))) return expr(*folded);
    }
    if (!is_float(type.dtype)) {
      if (auto simpler = simplify(kind, a, b)) return *simpler;
    }
  }
  VectorType result = is_compare(kind) ? type.with(DType::kBool) : type;
  return expr({.kind = kind, .type = result, .a = a.id, .b = b.id});
}

E LoopBuilder::fma(E a, E b, E c) {
  match(a, b);
  match(a, c);
  match(b, c);
  if (!is_float(a.type().dtype)) return a * b + c;
  if (fold_ && is_constant(at(a)) && is_constant(at(b)) && is_constant(at(c))) {
    if (auto folded = fold_fma(at(a), at(b), at(c))) return expr(*folded);
  }
  return expr({.kind = kFma, .type = a.type(), .a = a.id, .b = b.id, .c = c.id});
}

E LoopBuilder::select(E condition, E a, E b) {
  match(a, b);
  int lanes = std::max(condition.type().lanes, a.type().lanes);
  if (fold_) {
    if (auto known = condition.constant()) return broadcast(*known != 0 ? a : b, lanes);
    if (a.id == b.id) return broadcast(a, lanes);
  }
  condition = broadcast(condition, lanes);
  a = broadcast(a, lanes);
  b = broadcast(b, lanes);
  return expr({.kind = kSelect, .type = a.type(), .a = condition.id, .b = a.id, .c = b.id});
}

E LoopBuilder::cast(E a, DType dtype) {
  if (fold_) {
    if (a.type().dtype == dtype) return a;
    if (is_constant(at(a))) {
      if (auto folded = fold_cast(at(a), dtype)) return expr(*folded);
    }
  }
  return expr({.kind = kCast, .type = a.type().with(dtype), .a = a.id});
}

E LoopBuilder::bitcast(E a, DType dtype) {
  VectorType from = a.type();
  int bytes = size_of(from.dtype) * from.lanes;
  TENON_CHECK(bytes % size_of(dtype) == 0, "a bitcast that keeps all bytes");
  if (fold_ && from.dtype == dtype) return a;
  VectorType type = {dtype, static_cast<uint16_t>(bytes / size_of(dtype))};
  return expr({.kind = kBitcast, .type = type, .a = a.id});
}

E LoopBuilder::broadcast(E a, int lanes) {
  VectorType type = a.type();
  if (type.lanes == lanes) return a;
  TENON_CHECK(type.lanes == 1, "a scalar to broadcast");
  type.lanes = static_cast<uint16_t>(lanes);
  if (fold_ && is_constant(at(a))) {
    Expr constant = at(a);
    constant.type = type;
    return expr(constant);
  }
  return expr({.kind = kBroadcast, .type = type, .a = a.id});
}

E LoopBuilder::ramp(E base, int64_t stride, int lanes) {
  VectorType type = base.type();
  TENON_CHECK(type.lanes == 1, "a scalar base");
  if (lanes == 1) return base;
  if (fold_ && stride == 0) return broadcast(base, lanes);
  type.lanes = static_cast<uint16_t>(lanes);
  return expr({.kind = kRamp, .type = type, .a = base.id, .bits = stride});
}

E LoopBuilder::extract(E a, int lane) {
  Expr from = at(a);
  TENON_CHECK(lane >= 0 && lane < from.type.lanes, "a lane of the vector");
  if (from.type.lanes == 1) return a;
  VectorType type = {from.type.dtype, 1};
  if (fold_) {
    if (is_constant(from)) {
      from.type = type;
      return expr(from);
    }
    if (from.kind == kBroadcast) return {this, from.a};
    if (from.kind == kRamp) return E{this, from.a} + from.bits * lane;
  }
  return expr({.kind = kExtract, .type = type, .a = a.id, .bits = lane});
}

E LoopBuilder::shuffle(E a, E b, std::vector<int> lanes) {
  TENON_CHECK(a.type() == b.type(), "vectors of one type");
  VectorType type = {a.type().dtype, static_cast<uint16_t>(lanes.size())};
  auto& known = function_.shuffles;
  auto found = std::find(known.begin(), known.end(), lanes);
  auto index = found - known.begin();
  if (found == known.end()) known.push_back(std::move(lanes));
  return expr({.kind = kShuffle, .type = type, .a = a.id, .b = b.id, .bits = index});
}

E LoopBuilder::reduce(ExprKind kind, E a) {
  VectorType type = a.type();
  if (type.lanes == 1) return a;
  type.lanes = 1;
  return expr({.kind = kind, .type = type, .a = a.id});
}

E LoopBuilder::load(BufferId buffer, E index, int lanes, E mask) {
  if (fold_ && mask.id && mask.is(1)) mask = {};
  VectorType type = {function_.buffer(buffer).dtype, static_cast<uint16_t>(lanes)};
  return expr({.kind = kLoad, .type = type, .a = index.id, .b = mask.id, .buffer = buffer});
}

E LoopBuilder::gather(BufferId buffer, E indices, E mask) {
  if (fold_ && mask.id && mask.is(1)) mask = {};
  VectorType type = indices.type().with(function_.buffer(buffer).dtype);
  return expr({.kind = kGather, .type = type, .a = indices.id, .b = mask.id, .buffer = buffer});
}

}  // namespace tenon::ir
