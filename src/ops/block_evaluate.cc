#include "ops/block_evaluate.h"

#include <algorithm>
#include <cstring>

#include "ops/element.h"
#include "ops/scalar.h"

namespace tenon::ops {
namespace {

using ir::ExprKind;

struct Block : BlockOperands {
  template <class T>
  const T* as(const std::byte* bytes) const {
    return reinterpret_cast<const T*>(bytes);
  }

  template <class T, class Out = T, class F>
  void unary(F f) const {
    Out* target = reinterpret_cast<Out*>(out);
    for (int64_t i = 0; i < count; ++i) target[i] = f(as<T>(a)[i]);
  }
  template <class T, class Out = T, class F>
  void binary(F f) const {
    Out* target = reinterpret_cast<Out*>(out);
    for (int64_t i = 0; i < count; ++i) target[i] = f(as<T>(a)[i], as<T>(b)[i]);
  }
};

[[noreturn]] void no_such(ExprKind kind) {
  internal_error(std::string(ir::to_string(kind)) + " on this dtype has no evaluation", __FILE__,
                 __LINE__);
}

template <std::floating_point T>
void evaluate_math(ExprKind kind, const Block& block) {
  switch (kind) {
    case ExprKind::kSqrt: return block.unary<T>([](T x) { return std::sqrt(x); });
    case ExprKind::kFloor: return block.unary<T>([](T x) { return std::floor(x); });
    case ExprKind::kCeil: return block.unary<T>([](T x) { return std::ceil(x); });
    case ExprKind::kRound: return block.unary<T>([](T x) { return std::nearbyint(x); });
    case ExprKind::kTrunc: return block.unary<T>([](T x) { return std::trunc(x); });
    case ExprKind::kExp: return block.unary<T>([](T x) { return std::exp(x); });
    case ExprKind::kExpm1: return block.unary<T>([](T x) { return std::expm1(x); });
    case ExprKind::kLog: return block.unary<T>([](T x) { return std::log(x); });
    case ExprKind::kLog1p: return block.unary<T>([](T x) { return std::log1p(x); });
    case ExprKind::kErf: return block.unary<T>([](T x) { return std::erf(x); });
    case ExprKind::kSin: return block.unary<T>([](T x) { return std::sin(x); });
    case ExprKind::kCos: return block.unary<T>([](T x) { return std::cos(x); });
    case ExprKind::kTan: return block.unary<T>([](T x) { return std::tan(x); });
    case ExprKind::kAsin: return block.unary<T>([](T x) { return std::asin(x); });
    case ExprKind::kAcos: return block.unary<T>([](T x) { return std::acos(x); });
    case ExprKind::kAtan: return block.unary<T>([](T x) { return std::atan(x); });
    case ExprKind::kSinh: return block.unary<T>([](T x) { return std::sinh(x); });
    case ExprKind::kCosh: return block.unary<T>([](T x) { return std::cosh(x); });
    case ExprKind::kTanh: return block.unary<T>([](T x) { return std::tanh(x); });
    case ExprKind::kAsinh: return block.unary<T>([](T x) { return std::asinh(x); });
    case ExprKind::kAcosh: return block.unary<T>([](T x) { return std::acosh(x); });
    case ExprKind::kAtanh: return block.unary<T>([](T x) { return std::atanh(x); });
    case ExprKind::kSoftplus: return block.unary<T>(scalar::softplus<T>);
    default: no_such(kind);
  }
}

template <std::integral T>
void evaluate_bits(ExprKind kind, const Block& block) {
  switch (kind) {
    case ExprKind::kAnd: return block.binary<T>([](T x, T y) { return static_cast<T>(x & y); });
    case ExprKind::kOr: return block.binary<T>([](T x, T y) { return static_cast<T>(x | y); });
    case ExprKind::kXor: return block.binary<T>([](T x, T y) { return static_cast<T>(x ^ y); });
    case ExprKind::kNot:
      if constexpr (std::same_as<T, bool>) {
        return block.unary<T>([](T x) { return !x; });
      } else {
        return block.unary<T>([](T x) { return static_cast<T>(~x); });
      }
    case ExprKind::kShl:
      if constexpr (!std::same_as<T, bool>) return block.binary<T>(scalar::shl<T>);
      break;
    case ExprKind::kShr:
      if constexpr (!std::same_as<T, bool>) return block.binary<T>(scalar::shr<T>);
      break;
    default: break;
  }
  no_such(kind);
}

/// Only floats: the builder makes a product and a sum of integers.
template <class T>
void evaluate_fma(const Block& block) {
  if constexpr (std::floating_point<T>) {
    T* target = reinterpret_cast<T*>(block.out);
    for (int64_t i = 0; i < block.count; ++i) {
      target[i] =
          std::fma(block.as<T>(block.a)[i], block.as<T>(block.b)[i], block.as<T>(block.c)[i]);
    }
  } else {
    no_such(ExprKind::kFma);
  }
}

template <class T>
void evaluate_arithmetic(ExprKind kind, const Block& block) {
  switch (kind) {
    case ExprKind::kNeg: return block.unary<T>(scalar::neg<T>);
    case ExprKind::kAbs: return block.unary<T>(scalar::abs<T>);
    case ExprKind::kAdd: return block.binary<T>(scalar::add<T>);
    case ExprKind::kSub: return block.binary<T>(scalar::sub<T>);
    case ExprKind::kMul: return block.binary<T>(scalar::mul<T>);
    case ExprKind::kDiv: return block.binary<T>(scalar::div<T>);
    case ExprKind::kRem: return block.binary<T>(scalar::rem<T>);
    case ExprKind::kFloorDiv: return block.binary<T>(scalar::floor_div<T>);
    case ExprKind::kFloorMod: return block.binary<T>(scalar::floor_mod<T>);
    case ExprKind::kMin: return block.binary<T>(scalar::min<T>);
    case ExprKind::kMax: return block.binary<T>(scalar::max<T>);
    case ExprKind::kPow: return block.binary<T>(scalar::pow<T>);
    case ExprKind::kFma: return evaluate_fma<T>(block);
    default:
      if constexpr (std::floating_point<T>) {
        evaluate_math<T>(kind, block);
      } else {
        evaluate_bits<T>(kind, block);
      }
  }
}

template <class T>
void evaluate_compare(ExprKind kind, const Block& block) {
  switch (kind) {
    case ExprKind::kEq: return block.binary<T, bool>([](T x, T y) { return x == y; });
    case ExprKind::kNe: return block.binary<T, bool>([](T x, T y) { return x != y; });
    case ExprKind::kLt: return block.binary<T, bool>([](T x, T y) { return x < y; });
    case ExprKind::kLe: return block.binary<T, bool>([](T x, T y) { return x <= y; });
    default: no_such(kind);
  }
}

template <class T>
void evaluate_select(const Block& block) {
  const bool* condition = block.as<bool>(block.a);
  T* target = reinterpret_cast<T*>(block.out);
  for (int64_t i = 0; i < block.count; ++i) {
    target[i] = condition[i] ? block.as<T>(block.b)[i] : block.as<T>(block.c)[i];
  }
}

}  // namespace

void evaluate_block(ExprKind kind, ir::DType operand, ir::DType result,
                    const BlockOperands& operands) {
  const Block block{operands};
  dispatch(operand, [&]<class T>() {
    if (kind == ExprKind::kCast) {
      dispatch(result, [&]<class To>() { block.unary<T, To>(convert<To, T>); });
    } else if (kind == ExprKind::kBitcast) {
      std::memcpy(block.out, block.a, static_cast<size_t>(block.count) * sizeof(T));
    } else if (kind == ExprKind::kSelect) {
      evaluate_select<T>(block);
    } else if constexpr (StorageFloat<T>) {
      no_such(kind);
    } else if (ir::is_compare(kind)) {
      evaluate_compare<T>(kind, block);
    } else if constexpr (std::same_as<T, bool>) {
      evaluate_bits<T>(kind, block);
    } else {
      evaluate_arithmetic<T>(kind, block);
    }
  });
}

void fill_block(const ir::Expr& constant, std::byte* target) {
  dispatch(constant.type.dtype, [&]<class T>() {
    T value = constant.kind == ExprKind::kFloat ? convert<T>(ir::float_value(constant))
                                                : convert<T>(constant.bits);
    std::fill_n(reinterpret_cast<T*>(target), kBlockElements, value);
  });
}

void evaluate_blocks(const ir::Function& function, ir::ExprId root, int64_t count,
                     const BlockRead& read, std::byte* target) {
  // An expression is interned after its operands, so ids ascend from operands to root.
  std::vector<bool> needed(root.index + 1, false);
  needed[root.index] = true;
  for (size_t i = root.index + 1; i-- > 0;) {
    const ir::Expr& expr = function.exprs[i];
    if (!needed[i] || expr.kind == ExprKind::kLoad) continue;
    for (ir::ExprId operand : {expr.a, expr.b, expr.c}) {
      if (operand) needed[operand.index] = true;
    }
  }

  constexpr size_t kSlotWords = kBlockElements;  // the widest element is one word
  std::vector<std::vector<uint64_t>> slots(root.index + 1);
  auto slot = [&](ir::ExprId id) -> std::byte* {
    return id ? reinterpret_cast<std::byte*>(slots[id.index].data()) : nullptr;
  };
  std::vector<ir::ExprId> steps;  // what changes from block to block
  for (size_t i = 0; i <= root.index; ++i) {
    if (!needed[i]) continue;
    const ir::ExprId id(i);
    const ir::Expr& expr = function.expr(id);
    TENON_CHECK(expr.type.lanes == 1, "a scalar expression");
    slots[i].resize(kSlotWords);
    if (expr.kind == ExprKind::kInteger || expr.kind == ExprKind::kFloat) {
      fill_block(expr, slot(id));
    } else {
      steps.push_back(id);
    }
  }

  const size_t element = static_cast<size_t>(ir::size_of(function.expr(root).type.dtype));
  for (int64_t first = 0; first < count; first += kBlockElements) {
    const int64_t block_count = std::min(kBlockElements, count - first);
    for (ir::ExprId id : steps) {
      const ir::Expr& expr = function.expr(id);
      if (expr.kind == ExprKind::kLoad) {
        read(expr.buffer, first, block_count, slot(id));
        continue;
      }
      const ir::ExprId typed = expr.kind == ExprKind::kSelect ? expr.b : expr.a;
      evaluate_block(expr.kind, function.expr(typed).type.dtype, expr.type.dtype,
                     {slot(expr.a), slot(expr.b), slot(expr.c), slot(id), block_count});
    }
    std::memcpy(target + static_cast<size_t>(first) * element, slot(root),
                static_cast<size_t>(block_count) * element);
  }
}

}  // namespace tenon::ops
