#include "codegen/arithmetic.h"

#include <fmt/format.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/PatternMatch.h>

#include <numeric>

#include "base/result.h"

namespace tenon::codegen {
namespace {

using ir::DType;
using ir::ExprKind;
using llvm::Value;

[[noreturn]] void no_code_for(ExprKind kind, DType dtype) {
  internal_error(fmt::format("codegen has no instructions for {} of {}", to_string(kind),
                             ir::to_string(dtype)),
                 __FILE__, __LINE__);
}

/// The number in all lanes when `value` is such a constant.
const llvm::APInt* splat_constant(Value* value) {
  const llvm::APInt* number = nullptr;
  return llvm::PatternMatch::match(value, llvm::PatternMatch::m_APInt(number)) ? number : nullptr;
}

struct Division {
  Value* quotient;
  Value* remainder;
};

// Hardware traps on a zero divisor and on the one quotient that overflows, minimum / -1; both are
// divided by 1 instead.
Division divide(Builder& builder, DType dtype, Value* a, Value* b) {
  llvm::Type* type = a->getType();
  Value* one = llvm::ConstantInt::get(type, 1);
  Value* zero = llvm::ConstantInt::get(type, 0);
  const llvm::APInt* constant = splat_constant(b);
  Value* divisor = b;
  Value* quotient = nullptr;
  if (ir::is_signed(dtype)) {
    Value* minus_one = nullptr;
    if (!constant || constant->isAllOnes() || constant->isZero()) {
      minus_one = builder.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(type));
      Value* unsafe = builder.CreateOr(minus_one, builder.CreateICmpEQ(b, zero));
      divisor = builder.CreateSelect(unsafe, one, b);
    }
    quotient = builder.CreateSDiv(a, divisor);
    if (minus_one) quotient = builder.CreateSelect(minus_one, builder.CreateNeg(a), quotient);
  } else {
    if (!constant || constant->isZero()) {
      divisor = builder.CreateSelect(builder.CreateICmpEQ(b, zero), one, b);
    }
    quotient = builder.CreateUDiv(a, divisor);
  }
  return {quotient, builder.CreateSub(a, builder.CreateMul(quotient, b))};
}

Value* floor_divide(Builder& builder, DType dtype, Value* a, Value* b, bool want_modulus) {
  const llvm::APInt* constant = splat_constant(b);
  if (constant && constant->isPowerOf2() && !(ir::is_signed(dtype) && constant->isNegative())) {
    llvm::Type* type = a->getType();
    if (want_modulus) return builder.CreateAnd(a, llvm::ConstantInt::get(type, *constant - 1));
    Value* shift = llvm::ConstantInt::get(type, constant->logBase2());
    return ir::is_signed(dtype) ? builder.CreateAShr(a, shift) : builder.CreateLShr(a, shift);
  }
  Division division = divide(builder, dtype, a, b);
  if (!ir::is_signed(dtype)) return want_modulus ? division.remainder : division.quotient;
  Value* zero = llvm::ConstantInt::get(a->getType(), 0);
  Value* rounded_up = nullptr;
  if (constant && constant->isStrictlyPositive()) {
    rounded_up = builder.CreateICmpSLT(division.remainder, zero);
  } else {
    Value* signs_differ = builder.CreateICmpSLT(builder.CreateXor(division.remainder, b), zero);
    rounded_up = builder.CreateAnd(builder.CreateICmpNE(division.remainder, zero), signs_differ);
  }
  if (want_modulus) {
    return builder.CreateAdd(division.remainder, builder.CreateSelect(rounded_up, b, zero));
  }
  return builder.CreateAdd(division.quotient, builder.CreateSExt(rounded_up, a->getType()));
}

Value* float_binary(Builder& builder, ExprKind kind, DType dtype, Value* a, Value* b) {
  switch (kind) {
    case ExprKind::kAdd: return builder.CreateFAdd(a, b);
    case ExprKind::kSub: return builder.CreateFSub(a, b);
    case ExprKind::kMul: return builder.CreateFMul(a, b);
    case ExprKind::kDiv: return builder.CreateFDiv(a, b);
    // The exact form of minps and maxps.
    case ExprKind::kMin: return builder.CreateSelect(builder.CreateFCmpOLT(a, b), a, b);
    case ExprKind::kMax: return builder.CreateSelect(builder.CreateFCmpOGT(a, b), a, b);
    default: no_code_for(kind, dtype);
  }
}

Value* integer_binary(Builder& builder, ExprKind kind, DType dtype, Value* a, Value* b) {
  bool is_signed = ir::is_signed(dtype);
  switch (kind) {
    case ExprKind::kAdd: return builder.CreateAdd(a, b);
    case ExprKind::kSub: return builder.CreateSub(a, b);
    case ExprKind::kMul: return builder.CreateMul(a, b);
    case ExprKind::kDiv: return divide(builder, dtype, a, b).quotient;
    case ExprKind::kRem: return divide(builder, dtype, a, b).remainder;
    case ExprKind::kFloorDiv: return floor_divide(builder, dtype, a, b, false);
    case ExprKind::kFloorMod: return floor_divide(builder, dtype, a, b, true);
    case ExprKind::kMin:
      return builder.CreateBinaryIntrinsic(
          is_signed ? llvm::Intrinsic::smin : llvm::Intrinsic::umin, a, b);
    case ExprKind::kMax:
      return builder.CreateBinaryIntrinsic(
          is_signed ? llvm::Intrinsic::smax : llvm::Intrinsic::umax, a, b);
    case ExprKind::kAnd: return builder.CreateAnd(a, b);
    case ExprKind::kOr: return builder.CreateOr(a, b);
    case ExprKind::kXor: return builder.CreateXor(a, b);
    // A shift too far is poison to LLVM; freeze makes of it the unspecified value that it is to us.
    case ExprKind::kShl: return builder.CreateFreeze(builder.CreateShl(a, b));
    case ExprKind::kShr:
      return builder.CreateFreeze(is_signed ? builder.CreateAShr(a, b) : builder.CreateLShr(a, b));
    default: no_code_for(kind, dtype);
  }
}

Value* float_unary(Builder& builder, ExprKind kind, DType dtype, Value* a) {
  auto intrinsic = [&](llvm::Intrinsic::ID id) { return builder.CreateUnaryIntrinsic(id, a); };
  switch (kind) {
    case ExprKind::kNeg: return builder.CreateFNeg(a);
    case ExprKind::kAbs: return intrinsic(llvm::Intrinsic::fabs);
    case ExprKind::kSqrt: return intrinsic(llvm::Intrinsic::sqrt);
    case ExprKind::kFloor: return intrinsic(llvm::Intrinsic::floor);
    case ExprKind::kCeil: return intrinsic(llvm::Intrinsic::ceil);
    case ExprKind::kRound: return intrinsic(llvm::Intrinsic::roundeven);
    case ExprKind::kTrunc: return intrinsic(llvm::Intrinsic::trunc);
    default: no_code_for(kind, dtype);
  }
}

Value* integer_unary(Builder& builder, ExprKind kind, DType dtype, Value* a) {
  switch (kind) {
    case ExprKind::kNeg: return builder.CreateNeg(a);
    case ExprKind::kNot: return builder.CreateNot(a);
    case ExprKind::kAbs:
      if (!ir::is_signed(dtype)) return a;
      return builder.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, builder.getFalse());
    case ExprKind::kFloor:
    case ExprKind::kCeil:
    case ExprKind::kRound:
    case ExprKind::kTrunc: return a;
    default: no_code_for(kind, dtype);
  }
}

bool is_half(DType dtype) { return dtype == DType::kFloat16 || dtype == DType::kBFloat16; }

Value* half_to_float(Builder& builder, Value* value, DType from) {
  llvm::Type* float_type = with_lanes_of(value, builder.getFloatTy());
  if (from == DType::kFloat16) {
    Value* half = builder.CreateBitCast(value, with_lanes_of(value, builder.getHalfTy()));
    return builder.CreateFPExt(half, float_type);
  }
  Value* wide = builder.CreateZExt(value, with_lanes_of(value, builder.getInt32Ty()));
  return builder.CreateBitCast(builder.CreateShl(wide, 16), float_type);
}

Value* float_to_half(Builder& builder, Value* value, DType to) {
  llvm::Type* i16 = with_lanes_of(value, builder.getInt16Ty());
  if (to == DType::kFloat16) {
    Value* half = builder.CreateFPTrunc(value, with_lanes_of(value, builder.getHalfTy()));
    return builder.CreateBitCast(half, i16);
  }
  llvm::Type* i32 = with_lanes_of(value, builder.getInt32Ty());
  auto number = [&](uint64_t bits) { return llvm::ConstantInt::get(i32, bits); };
  Value* bits = builder.CreateBitCast(value, i32);
  Value* odd = builder.CreateAnd(builder.CreateLShr(bits, 16), number(1));
  Value* rounded = builder.CreateAdd(bits, builder.CreateAdd(odd, number(0x7fff)));
  Value* nan = builder.CreateFCmpUNO(value, value);
  Value* result = builder.CreateSelect(nan, number(0x7fc00000), rounded);
  return builder.CreateTrunc(builder.CreateLShr(result, 16), i16);
}

}  // namespace

Value* emit_unary(Builder& builder, ExprKind kind, DType dtype, Value* a) {
  return ir::is_float(dtype) ? float_unary(builder, kind, dtype, a)
                             : integer_unary(builder, kind, dtype, a);
}

Value* emit_binary(Builder& builder, ExprKind kind, DType dtype, Value* a, Value* b) {
  return ir::is_float(dtype) ? float_binary(builder, kind, dtype, a, b)
                             : integer_binary(builder, kind, dtype, a, b);
}

Value* emit_compare(Builder& builder, ExprKind kind, DType dtype, Value* a, Value* b) {
  using Predicate = llvm::CmpInst::Predicate;
  bool is_float = ir::is_float(dtype);
  bool is_signed = ir::is_signed(dtype);
  auto predicate = [&] {
    switch (kind) {
      case ExprKind::kEq: return is_float ? Predicate::FCMP_OEQ : Predicate::ICMP_EQ;
      case ExprKind::kNe: return is_float ? Predicate::FCMP_UNE : Predicate::ICMP_NE;
      case ExprKind::kLt:
        return is_float    ? Predicate::FCMP_OLT
               : is_signed ? Predicate::ICMP_SLT
                           : Predicate::ICMP_ULT;
      case ExprKind::kLe:
        return is_float    ? Predicate::FCMP_OLE
               : is_signed ? Predicate::ICMP_SLE
                           : Predicate::ICMP_ULE;
      default: no_code_for(kind, dtype);
    }
  };
  return builder.CreateCmp(predicate(), a, b);
}

Value* emit_fma(Builder& builder, DType dtype, Value* a, Value* b, Value* c) {
  if (!ir::is_float(dtype)) return builder.CreateAdd(builder.CreateMul(a, b), c);
  return builder.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
}

Value* emit_cast(Builder& builder, Value* value, DType from, DType to) {
  if (from == to) return value;
  if (is_half(from)) {
    return emit_cast(builder, half_to_float(builder, value, from), DType::kFloat32, to);
  }
  if (is_half(to)) {
    return float_to_half(builder, emit_cast(builder, value, from, DType::kFloat32), to);
  }
  llvm::Type* type = with_lanes_of(value, value_type(builder.getContext(), {to, 1}));
  if (to == DType::kBool) {
    Value* zero = llvm::Constant::getNullValue(value->getType());
    return ir::is_float(from) ? builder.CreateFCmpUNE(value, zero)
                              : builder.CreateICmpNE(value, zero);
  }
  if (ir::is_float(from) && ir::is_float(to)) return builder.CreateFPCast(value, type);
  if (ir::is_float(from)) {
    return builder.CreateFreeze(ir::is_signed(to) ? builder.CreateFPToSI(value, type)
                                                  : builder.CreateFPToUI(value, type));
  }
  if (ir::is_float(to)) {
    return ir::is_signed(from) ? builder.CreateSIToFP(value, type)
                               : builder.CreateUIToFP(value, type);
  }
  return builder.CreateIntCast(value, type, ir::is_signed(from));
}

Value* emit_reduce(Builder& builder, ExprKind kind, DType dtype, Value* value) {
  auto join = [&] {
    switch (kind) {
      case ExprKind::kReduceAdd: return ExprKind::kAdd;
      case ExprKind::kReduceMul: return ExprKind::kMul;
      case ExprKind::kReduceMin: return ExprKind::kMin;
      case ExprKind::kReduceMax: return ExprKind::kMax;
      default: no_code_for(kind, dtype);
    }
  }();
  for (int lanes = static_cast<int>(lanes_of(value)); lanes > 1;) {
    int pairs = lanes / 2, half = lanes - pairs;
    // Lane i of the lower half is joined with lane half + i; of an odd number the middle one stays.
    std::vector<int> low(pairs), high(pairs);
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), half);
    Value* joined = emit_binary(builder, join, dtype, builder.CreateShuffleVector(value, low),
                                builder.CreateShuffleVector(value, high));
    if (half == pairs) {
      value = joined;
    } else {
      std::vector<int> widened(half);
      std::iota(widened.begin(), widened.end(), 0);
      Value* middle = builder.CreateExtractElement(value, uint64_t(half - 1));
      value = builder.CreateInsertElement(builder.CreateShuffleVector(joined, widened), middle,
                                          uint64_t(half - 1));
    }
    lanes = half;
  }
  return lanes_of(value) == 1 && value->getType()->isVectorTy()
             ? builder.CreateExtractElement(value, uint64_t(0))
             : value;
}

llvm::Constant* float_constant(llvm::LLVMContext& context, ir::VectorType type, double value) {
  llvm::Type* llvm_type = value_type(context, type);
  if (!is_half(type.dtype)) return llvm::ConstantFP::get(llvm_type, value);
  llvm::APFloat number(value);
  bool inexact = false;
  number.convert(
      type.dtype == DType::kFloat16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
      llvm::APFloat::rmNearestTiesToEven, &inexact);
  return llvm::ConstantInt::get(llvm_type, number.bitcastToAPInt());
}

}  // namespace tenon::codegen
