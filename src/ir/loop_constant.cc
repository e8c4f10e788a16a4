#include "ir/loop_constant.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/result.h"

namespace tenon::ir {
namespace {

using enum ExprKind;

/// Rounds to `precision` significant bits, with `smallest` the least positive value and `largest`
/// the greatest one. Scaling by powers of two is exact in double.
double round_to(double value, int precision, int smallest_exponent, double largest) {
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent = 0;
  std::frexp(value, &exponent);
  int ulp = std::max(exponent - precision, smallest_exponent);
  double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -ulp)), ulp);
  return std::abs(rounded) > largest
             ? std::copysign(std::numeric_limits<double>::infinity(), rounded)
             : rounded;
}

double round_to(double value, DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return round_to(value, 11, -24, 65504);
    case DType::kBFloat16: return round_to(value, 8, -133, std::ldexp(255, 120));
    case DType::kFloat32: return static_cast<double>(static_cast<float>(value));
    default: return value;
  }
}

int64_t wrap(int64_t value, DType dtype) {
  switch (dtype) {
    case DType::kBool: return value & 1;
    case DType::kInt8: return static_cast<int8_t>(value);
    case DType::kInt16: return static_cast<int16_t>(value);
    case DType::kInt32: return static_cast<int32_t>(value);
    case DType::kUInt8: return static_cast<uint8_t>(value);
    case DType::kUInt16: return static_cast<uint16_t>(value);
    case DType::kUInt32: return static_cast<uint32_t>(value);
    default: return value;
  }
}

bool has_arithmetic(DType dtype) { return compute_type(dtype) == dtype; }

template <class T>
bool compare(ExprKind kind, T a, T b) {
  switch (kind) {
    case kEq: return a == b;
    case kNe: return a != b;
    case kLt: return a < b;
    default: return a <= b;
  }
}

/// Division and what orders values, where signedness matters. `T` is int64_t or uint64_t.
template <class T>
std::optional<T> fold_ordered(ExprKind kind, T a, T b) {
  if (kind == kMin) return a < b ? a : b;
  if (kind == kMax) return a > b ? a : b;
  if (b == 0) return std::nullopt;
  if (b == static_cast<T>(-1) && std::is_signed_v<T>) {  // the quotient may wrap around
    bool quotient = kind == kDiv || kind == kFloorDiv;
    return quotient ? static_cast<T>(0 - static_cast<uint64_t>(a)) : T{0};
  }
  T quotient = a / b, remainder = a % b;
  bool below = remainder != 0 && (remainder < 0) != (b < 0);
  switch (kind) {
    case kDiv: return quotient;
    case kRem: return remainder;
    case kFloorDiv: return below ? quotient - 1 : quotient;
    default: return below ? remainder + b : remainder;
  }
}

std::optional<int64_t> fold_integers(ExprKind kind, int64_t a, int64_t b, DType dtype) {
  auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (kind) {
    case kAdd: return static_cast<int64_t>(ua + ub);
    case kSub: return static_cast<int64_t>(ua - ub);
    case kMul: return static_cast<int64_t>(ua * ub);
    case kAnd: return a & b;
    case kOr: return a | b;
    case kXor: return a ^ b;
    case kShl:
    case kShr:
      if (ub >= static_cast<uint64_t>(size_of(dtype)) * 8) return std::nullopt;
      if (kind == kShl) return static_cast<int64_t>(ua << ub);
      return is_signed(dtype) ? a >> b : static_cast<int64_t>(ua >> ub);
    case kMin:
    case kMax:
    case kDiv:
    case kRem:
    case kFloorDiv:
    case kFloorMod: {
      if (is_signed(dtype)) return fold_ordered<int64_t>(kind, a, b);
      auto result = fold_ordered<uint64_t>(kind, ua, ub);
      if (!result) return std::nullopt;
      return static_cast<int64_t>(*result);
    }
    default: return std::nullopt;
  }
}

/// In double: for f32 one more rounding of these changes nothing, since 53 >= 2 * 24 + 2.
std::optional<double> fold_floats(ExprKind kind, double a, double b) {
  switch (kind) {
    case kAdd: return a + b;
    case kSub: return a - b;
    case kMul: return a * b;
    case kDiv: return a / b;
    case kRem: return std::fmod(a, b);
    case kMin: return a < b ? a : b;
    case kMax: return a > b ? a : b;
    default: return std::nullopt;
  }
}

}  // namespace

Expr integer_constant(int64_t value, VectorType type) {
  return {.kind = kInteger, .type = type, .bits = wrap(value, type.dtype)};
}

Expr float_constant(double value, VectorType type) {
  double rounded =
      std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : round_to(value, type.dtype);
  return {.kind = kFloat, .type = type, .bits = std::bit_cast<int64_t>(rounded)};
}

std::optional<Expr> fold_unary(ExprKind kind, const Expr& a) {
  if (!has_arithmetic(a.type.dtype)) return std::nullopt;
  if (a.kind == kInteger) {
    switch (kind) {
      case kNeg:
        return integer_constant(static_cast<int64_t>(-static_cast<uint64_t>(a.bits)), a.type);
      case kAbs: return is_signed(a.type.dtype) && a.bits < 0 ? fold_unary(kNeg, a) : a;
      case kNot: return integer_constant(~a.bits, a.type);
      default: return std::nullopt;
    }
  }
  double value = float_value(a);
  switch (kind) {
    case kNeg: return float_constant(-value, a.type);
    case kAbs: return float_constant(std::abs(value), a.type);
    case kSqrt: return float_constant(std::sqrt(value), a.type);
    case kFloor: return float_constant(std::floor(value), a.type);
    case kCeil: return float_constant(std::ceil(value), a.type);
    case kRound: return float_constant(std::nearbyint(value), a.type);
    case kTrunc: return float_constant(std::trunc(value), a.type);
    default: return std::nullopt;
  }
}

std::optional<Expr> fold_binary(ExprKind kind, const Expr& a, const Expr& b) {
  TENON_CHECK(a.type == b.type, "operands of one type");
  DType dtype = a.type.dtype;
  if (!has_arithmetic(dtype)) return std::nullopt;
  if (is_compare(kind)) {
    bool result = a.kind == kFloat ? compare(kind, float_value(a), float_value(b))
                  : dtype == DType::kUInt64
                      ? compare(kind, static_cast<uint64_t>(a.bits), static_cast<uint64_t>(b.bits))
                      : compare(kind, a.bits, b.bits);
    return integer_constant(result, a.type.with(DType::kBool));
  }
  if (a.kind == kFloat) {
    auto result = fold_floats(kind, float_value(a), float_value(b));
    if (!result) return std::nullopt;
    return float_constant(*result, a.type);
  }
  auto result = fold_integers(kind, a.bits, b.bits, dtype);
  if (!result) return std::nullopt;
  return integer_constant(*result, a.type);
}

std::optional<Expr> fold_fma(const Expr& a, const Expr& b, const Expr& c) {
  double x = float_value(a), y = float_value(b), z = float_value(c);
  switch (a.type.dtype) {
    case DType::kFloat32:
      return float_constant(
          std::fma(static_cast<float>(x), static_cast<float>(y), static_cast<float>(z)), a.type);
    case DType::kFloat64: return float_constant(std::fma(x, y, z), a.type);
    default: return std::nullopt;
  }
}

std::optional<Expr> fold_cast(const Expr& a, DType dtype) {
  VectorType type = a.type.with(dtype);
  double value = float_value(a);
  if (dtype == DType::kBool)
    return integer_constant(a.kind == kFloat ? value != 0 : a.bits != 0, type);
  if (is_float(dtype)) {
    // Straight from the integer, as rounding to double in between could round twice.
    if (dtype != DType::kFloat32 || a.kind == kFloat) return float_constant(value, type);
    return float_constant(a.type.dtype == DType::kUInt64
                              ? static_cast<float>(static_cast<uint64_t>(a.bits))
                              : static_cast<float>(a.bits),
                          type);
  }
  if (a.kind == kInteger) return integer_constant(a.bits, type);
  double whole = std::trunc(value);
  // The range of i64; narrower dtypes are checked by what comes back.
  if (!(whole >= -0x1p63 && whole < 0x1p63)) return std::nullopt;
  Expr result = integer_constant(static_cast<int64_t>(whole), type);
  if (float_value(result) != whole) return std::nullopt;
  return result;
}

}  // namespace tenon::ir
