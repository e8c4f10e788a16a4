#include "ir/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/result.h"

namespace tenon::ir {
namespace {

enum class Family : uint8_t { kOther, kBinary, kCompare, kMath };

struct Facts {
  std::string_view text;
  int arity;
  Family family;
};

constexpr std::array kFacts = {
#define EXPR(name, text, arity) Facts{text, arity, Family::kOther},
#define BINARY(name, text) Facts{text, 2, Family::kBinary},
#define COMPARE(name, text) Facts{text, 2, Family::kCompare},
#define MATH(name, text, ulp, flops) Facts{text, 1, Family::kMath},
#include "ir/loop.def"
};

const Facts& facts(ExprKind kind) { return kFacts[static_cast<size_t>(kind)]; }

size_t hash(const Expr& expr) {
  uint64_t hash = static_cast<uint64_t>(expr.kind);
  for (uint64_t field : {static_cast<uint64_t>(expr.type.dtype), uint64_t{expr.type.lanes},
                         uint64_t{expr.a.index}, uint64_t{expr.b.index}, uint64_t{expr.c.index},
                         uint64_t{expr.buffer.index}, static_cast<uint64_t>(expr.bits)}) {
    hash = (std::rotl(hash, 27) ^ field) * 0x9E3779B97F4A7C15;
  }
  return hash ^ (hash >> 32);
}

}  // namespace

uint32_t& Function::slot_of(const Expr& expr) {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash(expr) & mask;; at = (at + 1) & mask) {
    uint32_t& slot = slots_[at];
    if (slot == 0 || exprs[slot - 1] == expr) return slot;
  }
}

/// So many that half of them are free after the next expression.
void Function::add_slots() {
  constexpr size_t kFew = 64;
  slots_.assign(std::bit_ceil(std::max(kFew, 4 * exprs.size())), 0);
  for (size_t i = 0; i < exprs.size(); ++i) slot_of(exprs[i]) = static_cast<uint32_t>(i + 1);
}

ExprId Function::intern(const Expr& expr) {
  if (slots_.size() < 2 * (exprs.size() + 1)) add_slots();
  uint32_t& slot = slot_of(expr);
  if (slot == 0) {
    exprs.push_back(expr);
    slot = static_cast<uint32_t>(exprs.size());
  }
  return ExprId(slot - 1);
}

std::string_view to_string(ExprKind kind) { return facts(kind).text; }

std::optional<ExprKind> find_expr_kind(std::string_view text) {
  for (size_t i = 0; i < kFacts.size(); ++i) {
    if (kFacts[i].text == text) return static_cast<ExprKind>(i);
  }
  return std::nullopt;
}

int arity(ExprKind kind) { return facts(kind).arity; }

int flops(ExprKind kind) {
  switch (kind) {
    case ExprKind::kAdd:
    case ExprKind::kSub:
    case ExprKind::kMul:
    case ExprKind::kDiv:
    case ExprKind::kSqrt: return 1;
    case ExprKind::kFma: return 2;
#define EXPR(name, text, arity)
#define MATH(name, text, ulp, flops) \
  case ExprKind::name: return flops;
#include "ir/loop.def"
    default: return 0;
  }
}

bool is_binary(ExprKind kind) { return facts(kind).family == Family::kBinary; }
bool is_compare(ExprKind kind) { return facts(kind).family == Family::kCompare; }
bool is_math(ExprKind kind) { return facts(kind).family == Family::kMath; }

bool is_constant(const Expr& expr) {
  return expr.kind == ExprKind::kInteger || expr.kind == ExprKind::kFloat;
}

std::string to_string(VectorType type) {
  return type.lanes == 1 ? std::string(to_string(type.dtype))
                         : fmt::format("{}x{}", to_string(type.dtype), type.lanes);
}

double float_value(const Expr& expr) {
  TENON_CHECK(is_constant(expr), "a constant expression");
  if (expr.kind == ExprKind::kFloat) return std::bit_cast<double>(expr.bits);
  return expr.type.dtype == DType::kUInt64 ? static_cast<double>(static_cast<uint64_t>(expr.bits))
                                           : static_cast<double>(expr.bits);
}

}  // namespace tenon::ir
