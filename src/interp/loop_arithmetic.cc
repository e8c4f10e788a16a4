#include "interp/loop_arithmetic.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/result.h"
#include "ops/element.h"

namespace tenon::interp {
namespace {

using ir::ExprKind;
using enum ir::ExprKind;

template <class T>
concept Real = std::floating_point<T>;
template <class T>
concept Number = Real<T> || (std::integral<T> && !std::same_as<T, bool>);

[[noreturn]] void no_meaning(ExprKind kind) {
  internal_error(fmt::format("{} has no meaning for this dtype", to_string(kind)), __FILE__,
                 __LINE__);
}

double math(ExprKind kind, double x) {
  switch (kind) {
    case kExp:
    case kSoftmaxExp: return std::exp(x);
    case kExpm1: return std::expm1(x);
    case kLog: return std::log(x);
    case kLog1p: return std::log1p(x);
    case kErf: return std::erf(x);
    case kSin: return std::sin(x);
    case kCos: return std::cos(x);
    case kTan: return std::tan(x);
    case kAsin: return std::asin(x);
    case kAcos: return std::acos(x);
    case kAtan: return std::atan(x);
    case kSinh: return std::sinh(x);
    case kCosh: return std::cosh(x);
    case kTanh: return std::tanh(x);
    case kAsinh: return std::asinh(x);
    case kAcosh: return std::acosh(x);
    case kAtanh: return std::atanh(x);
    case kSoftplus: return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x)));
    default: no_meaning(kind);
  }
}

template <Real T>
T unary(ExprKind kind, T a) {
  switch (kind) {
    case kNeg: return -a;
    case kAbs: return std::abs(a);
    case kSqrt: return std::sqrt(a);
    case kFloor: return std::floor(a);
    case kCeil: return std::ceil(a);
    case kRound: return std::nearbyint(a);
    case kTrunc: return std::trunc(a);
    default: return static_cast<T>(math(kind, a));
  }
}

bool unary(ExprKind kind, bool a) {
  if (kind != kNot) no_meaning(kind);
  return !a;
}

template <std::integral T>
T unary(ExprKind kind, T a) {
  if (kind == kNot) return static_cast<T>(~static_cast<uint64_t>(a));
  // In unsigned arithmetic, which wraps around.
  if (kind == kNeg || (kind == kAbs && a < 0)) return static_cast<T>(-static_cast<uint64_t>(a));
  if (kind == kAbs) return a;
  no_meaning(kind);
}

template <Real T>
T floor_mod(T a, T b) {
  T remainder = std::fmod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

// The floor of the exact quotient: (a - a mod b) / b is within a rounding of it.
template <Real T>
T floor_div(T a, T b) {
  if (b == 0) return a / b;
  return std::nearbyint((a - floor_mod(a, b)) / b);
}

template <Real T>
T binary(ExprKind kind, T a, T b) {
  switch (kind) {
    case kAdd: return a + b;
    case kSub: return a - b;
    case kMul: return a * b;
    case kDiv: return a / b;
    case kRem: return std::fmod(a, b);
    case kFloorDiv: return floor_div(a, b);
    case kFloorMod: return floor_mod(a, b);
    case kMin: return a < b ? a : b;
    case kMax: return a > b ? a : b;
    case kPow: return static_cast<T>(std::pow(double{a}, double{b}));
    default: no_meaning(kind);
  }
}

bool binary(ExprKind kind, bool a, bool b) {
  switch (kind) {
    case kAnd: return a && b;
    case kOr: return a || b;
    case kXor: return a != b;
    default: no_meaning(kind);
  }
}

template <std::integral T>
T power(T base, T exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == T(-1) ? (exponent % 2 ? T(-1) : T(1)) : T(0);
  auto factor = static_cast<uint64_t>(base);
  uint64_t result = 1;
  for (auto rest = static_cast<uint64_t>(exponent); rest; rest >>= 1, factor *= factor) {
    if (rest & 1) result *= factor;
  }
  return static_cast<T>(result);
}

template <std::integral T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  if (std::signed_integral<T> && b == T(-1)) return static_cast<T>(-static_cast<uint64_t>(a));
  return static_cast<T>(a / b);
}

template <std::integral T>
T remainder(T a, T b) {
  return b == 0 || (std::signed_integral<T> && b == T(-1)) ? T(0) : static_cast<T>(a % b);
}

template <std::integral T>
T binary(ExprKind kind, T a, T b) {
  auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  auto rounds_up = [&] { return remainder(a, b) != 0 && (remainder(a, b) < 0) != (b < 0); };
  bool too_far = y >= 8 * sizeof(T);
  switch (kind) {
    case kAdd: return static_cast<T>(x + y);
    case kSub: return static_cast<T>(x - y);
    case kMul: return static_cast<T>(x * y);
    case kDiv: return quotient(a, b);
    case kRem: return remainder(a, b);
    case kFloorDiv: return static_cast<T>(quotient(a, b) - rounds_up());
    case kFloorMod: return static_cast<T>(remainder(a, b) + (rounds_up() ? b : T(0)));
    case kMin: return a < b ? a : b;
    case kMax: return a > b ? a : b;
    case kPow: return power(a, b);
    case kAnd: return static_cast<T>(x & y);
    case kOr: return static_cast<T>(x | y);
    case kXor: return static_cast<T>(x ^ y);
    case kShl: return too_far ? T(0) : static_cast<T>(x << y);
    case kShr: return too_far ? T(0) : static_cast<T>(a >> y);
    default: no_meaning(kind);
  }
}

template <class T>
bool compare(ExprKind kind, T a, T b) {
  switch (kind) {
    case kEq: return a == b;
    case kNe: return a != b;
    case kLt: return a < b;
    case kLe: return a <= b;
    default: no_meaning(kind);
  }
}

template <Number T>
T reduce(ExprKind kind, const T* a, int lanes) {
  ExprKind join = kind == kReduceAdd   ? kAdd
                  : kind == kReduceMul ? kMul
                  : kind == kReduceMin ? kMin
                                       : kMax;
  std::vector<T> rest(a, a + lanes);
  while (rest.size() > 1) {
    size_t pairs = rest.size() / 2, half = rest.size() - pairs;
    for (size_t i = 0; i < pairs; ++i) rest[i] = binary(join, rest[i], rest[half + i]);
    rest.resize(half);
  }
  return rest[0];
}

template <class T>
T constant(const ir::Expr& expr) {
  if (expr.kind == kFloat) return ops::convert<T>(ir::float_value(expr));
  return ops::convert<T>(expr.bits);
}

/// Kinds that only move lanes, of any dtype T. False when `expr` is of another kind.
template <class T>
bool move_lanes(const ir::Function& function, const ir::Expr& expr, Operands operands, T* result) {
  int lanes = expr.type.lanes;
  const T* a = static_cast<const T*>(operands.a);
  const T* b = static_cast<const T*>(operands.b);
  switch (expr.kind) {
    case kInteger:
    case kFloat: std::fill_n(result, lanes, constant<T>(expr)); return true;
    case kBroadcast: std::fill_n(result, lanes, *a); return true;
    case kExtract: *result = a[expr.bits]; return true;
    case kBitcast: std::memcpy(result, operands.a, lanes * sizeof(T)); return true;
    case kSelect: {
      const bool* condition = static_cast<const bool*>(operands.a);
      const T* c = static_cast<const T*>(operands.c);
      for (int i = 0; i < lanes; ++i) result[i] = condition[i] ? b[i] : c[i];
      return true;
    }
    case kShuffle: {
      int width = function.expr(expr.a).type.lanes;
      const std::vector<int>& picks = function.shuffles[static_cast<size_t>(expr.bits)];
      for (int i = 0; i < lanes; ++i) {
        result[i] = picks[i] < width ? a[picks[i]] : b[picks[i] - width];
      }
      return true;
    }
    default: return false;
  }
}

/// Kinds that compute with operands of dtype T.
template <class T>
void compute_lanes(const ir::Expr& expr, int operand_lanes, const T* a, const T* b, const T* c,
                   void* out) {
  int lanes = expr.type.lanes;
  T* result = static_cast<T*>(out);
  if (expr.kind == kCast) {
    ops::dispatch(expr.type.dtype, [&]<class To>() {
      for (int i = 0; i < lanes; ++i) static_cast<To*>(out)[i] = ops::convert<To>(a[i]);
    });
    return;
  }
  if constexpr (!ops::StorageFloat<T>) {
    if (ir::is_compare(expr.kind)) {
      for (int i = 0; i < lanes; ++i) static_cast<bool*>(out)[i] = compare(expr.kind, a[i], b[i]);
      return;
    }
    if (ir::is_binary(expr.kind)) {
      for (int i = 0; i < lanes; ++i) result[i] = binary(expr.kind, a[i], b[i]);
      return;
    }
    if constexpr (Number<T>) {
      switch (expr.kind) {
        case kReduceAdd:
        case kReduceMul:
        case kReduceMin:
        case kReduceMax: *result = reduce(expr.kind, a, operand_lanes); return;
        case kRamp:
          for (int i = 0; i < lanes; ++i) {
            result[i] = binary(kAdd, *a, static_cast<T>(i * expr.bits));
          }
          return;
        default: break;
      }
    }
    if constexpr (Real<T>) {
      if (expr.kind == kFma) {
        for (int i = 0; i < lanes; ++i) result[i] = std::fma(a[i], b[i], c[i]);
        return;
      }
    }
    for (int i = 0; i < lanes; ++i) result[i] = unary(expr.kind, a[i]);
    return;
  }
  no_meaning(expr.kind);
}

}  // namespace

void compute(const ir::Function& function, const ir::Expr& expr, Operands operands, void* result) {
  bool moved = ops::dispatch(expr.type.dtype, [&]<class T>() {
    return move_lanes(function, expr, operands, static_cast<T*>(result));
  });
  if (moved) return;
  ir::VectorType type = function.expr(expr.a).type;
  ops::dispatch(type.dtype, [&]<class T>() {
    compute_lanes(expr, type.lanes, static_cast<const T*>(operands.a),
                  static_cast<const T*>(operands.b), static_cast<const T*>(operands.c), result);
  });
}

}  // namespace tenon::interp
