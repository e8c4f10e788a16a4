// The expansions of math functions on native code, against libm in a wider format.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>

#include "codegen/codegen.h"
#include "ir/loop_builder.h"
#include "ir/verify.h"
#include "passes/loop/expand_math.h"
#include "testing/native.h"

namespace tenon::passes {
namespace {

using namespace ir;

constexpr int kLanes = 8;
constexpr float kInf32 = std::numeric_limits<float>::infinity();
constexpr double kInf = std::numeric_limits<double>::infinity();

DType dtype_of(float) { return DType::kFloat32; }
DType dtype_of(double) { return DType::kFloat64; }
DType dtype_of(int32_t) { return DType::kInt32; }

/// y[i] = f(a[i], b[i]) for whole vectors of elements of type T, on expanded native code.
template <class T>
std::vector<T> run(const std::function<E(E, E)>& f, std::vector<T> a, std::vector<T> b) {
  a.resize((a.size() + kLanes - 1) / kLanes * kLanes, T(1));
  b.resize(a.size(), T(1));
  LoopBuilder builder("kernel");
  BufferId left = builder.buffer("a", dtype_of(T()), BufferKind::kInput);
  BufferId right = builder.buffer("b", dtype_of(T()), BufferKind::kInput);
  BufferId out = builder.buffer("y", dtype_of(T()), BufferKind::kOutput);
  E at = builder.tasks(builder.integer(static_cast<int64_t>(a.size()) / kLanes)) * kLanes;
  builder.store(out, at, f(builder.load(left, at, kLanes), builder.load(right, at, kLanes)));
  Function function = builder.finish();
  expand_math(function);
  EXPECT_EQ(verify(function), "");

  std::vector<T> y(a.size());
  Target target = testing::host_target();
  testing::NativeCode code(codegen::compile(std::span(&function, 1), target));
  void* buffers[] = {a.data(), b.data(), y.data()};
  EXPECT_EQ(code.run(0, buffers, {}, 0, static_cast<int64_t>(a.size()) / kLanes), 0);
  return y;
}

template <class T>
std::vector<T> run(ExprKind kind, const std::vector<T>& x) {
  return run<T>([&](E a, E) { return a.builder->unary(kind, a); }, x, {});
}

template <class T>
bool same_special(T got, T wanted) {
  if (std::isnan(wanted)) return std::isnan(got);
  return std::bit_cast<std::array<char, sizeof(T)>>(got) ==
         std::bit_cast<std::array<char, sizeof(T)>>(wanted);
}

/// |got - wanted| in units of the last place of `wanted` in T; infinite where a special value is
/// not the same. Zeros, infinities and NaN must be the same.
template <class T, class Wide>
double ulp_error(T got, Wide wanted) {
  T rounded = static_cast<T>(wanted);
  if (std::isnan(rounded) || rounded == 0 || std::isinf(rounded)) {
    if (same_special(got, rounded)) return 0;
    // The neighbours of an overflow or underflow are within one ULP of it.
    if (std::isnan(rounded) || std::isnan(got)) return kInf;
    if (rounded == 0)
      return wanted == 0 ? kInf : std::abs(got) / std::numeric_limits<T>::denorm_min();
    return got == std::copysign(std::numeric_limits<T>::max(), rounded) ? 1 : kInf;
  }
  if (!std::isfinite(got)) {
    return rounded == std::copysign(std::numeric_limits<T>::max(), got) ? 1 : kInf;
  }
  T ulp = std::nextafter(std::abs(rounded), std::numeric_limits<T>::infinity()) - std::abs(rounded);
  if (std::isinf(ulp))
    ulp = std::ldexp(T(1), std::numeric_limits<T>::max_exponent - std::numeric_limits<T>::digits);
  return static_cast<double>(std::abs(Wide(got) - wanted) / Wide(ulp));
}

std::vector<float> sample_of_f32() {
  constexpr uint64_t kStride = 4099;
  std::vector<float> x = {0.0f,
                          -0.0f,
                          1.0f,
                          -1.0f,
                          kInf32,
                          -kInf32,
                          std::nanf(""),
                          std::numeric_limits<float>::denorm_min(),
                          std::numeric_limits<float>::min(),
                          std::numeric_limits<float>::max(),
                          -std::numeric_limits<float>::denorm_min(),
                          -std::numeric_limits<float>::min(),
                          -std::numeric_limits<float>::max(),
                          0.5f,
                          -0.5f,
                          2.0f,
                          0.70710677f,
                          0.7071068f,
                          88.72284f,
                          88.72283f,
                          -103.97208f,
                          -87.33655f,
                          89.415985f,
                          9.02f,
                          3.93f};
  for (uint64_t bits = 0; bits <= UINT32_MAX; bits += kStride) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (int k = -200; k <= 200; ++k) {  // near the zeros of sine and cosine
    auto zero = static_cast<float>(k * 1.5707963267948966);
    x.insert(x.end(), {zero, std::nextafter(zero, kInf32), std::nextafter(zero, -kInf32)});
  }
  return x;
}

struct Budget {
  ExprKind kind;
  double ulp;
  int flops;
};
constexpr Budget kBudgets[] = {
#define EXPR(name, text, arity)
#define MATH(name, text, ulp, flops) {ExprKind::name, ulp, flops},
#include "ir/loop.def"
};

template <class Wide>
Wide reference(ExprKind kind, Wide x) {
  switch (kind) {
    case ExprKind::kExp:
    case ExprKind::kSoftmaxExp: return std::exp(x);
    case ExprKind::kExpm1: return std::expm1(x);
    case ExprKind::kLog: return std::log(x);
    case ExprKind::kLog1p: return std::log1p(x);
    case ExprKind::kErf: return std::erf(x);
    case ExprKind::kSin: return std::sin(x);
    case ExprKind::kCos: return std::cos(x);
    case ExprKind::kTan: return std::tan(x);
    case ExprKind::kAsin: return std::asin(x);
    case ExprKind::kAcos: return std::acos(x);
    case ExprKind::kAtan: return std::atan(x);
    case ExprKind::kSinh: return std::sinh(x);
    case ExprKind::kCosh: return std::cosh(x);
    case ExprKind::kTanh: return std::tanh(x);
    case ExprKind::kAsinh: return std::asinh(x);
    case ExprKind::kAcosh: return std::acosh(x);
    case ExprKind::kAtanh: return std::atanh(x);
    case ExprKind::kSoftplus: return std::fmax(x, Wide(0)) + std::log1p(std::exp(-std::abs(x)));
    default: ADD_FAILURE() << "no reference"; return x;
  }
}

/// Whether what the function gives for x is not told, or may be 0 where the result is denormal.
template <class T>
bool is_free(ExprKind kind, T x, T y) {
  if (kind != ExprKind::kSoftmaxExp) return false;
  return x > 0 || (y == 0 && std::exp(x) < std::numeric_limits<T>::min());
}

bool is_periodic(ExprKind kind) {
  return kind == ExprKind::kSin || kind == ExprKind::kCos || kind == ExprKind::kTan;
}

class Math : public ::testing::TestWithParam<Budget> {};

TEST_P(Math, Float32StaysWithinItsBudget) {
  auto [kind, budget, flops] = GetParam();
  std::vector<float> x = sample_of_f32();
  std::vector<float> y = run(kind, x);
  double worst = 0;
  float worst_at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (is_free(kind, x[i], y[i])) continue;
    if (is_periodic(kind) && std::abs(x[i]) > 0x1p45f && std::isfinite(x[i])) {
      EXPECT_TRUE(std::isfinite(y[i]) && (kind == ExprKind::kTan || std::abs(y[i]) <= 1)) << x[i];
      continue;
    }
    if (kind == ExprKind::kSoftplus && std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(y[i]));
      continue;
    }
    double error = ulp_error(y[i], reference(kind, double(x[i])));
    if (error > worst) worst = error, worst_at = x[i];
  }
  RecordProperty("max_ulp", std::to_string(worst));
  std::printf("%-9s max %.3f ULP at %.9g\n", std::string(to_string(kind)).c_str(), worst, worst_at);
  EXPECT_LE(worst, budget) << "at " << worst_at;
}

TEST_P(Math, HasTheOperationsOfItsRow) {
  LoopBuilder builder("f");
  const BufferId x = builder.buffer("x", DType::kFloat32, BufferKind::kInput);
  const BufferId y = builder.buffer("y", DType::kFloat32, BufferKind::kOutput);
  const E task = builder.tasks(builder.integer(1));
  builder.store(y, task, builder.unary(GetParam().kind, builder.load(x, task)));
  Function function = builder.finish();
  expand_math(function, {});
  const StatementId store = function.block(function.body).statements.back();
  std::set<uint32_t> seen;
  int count = 0;
  const std::function<void(ExprId)> visit = [&](ExprId id) {
    if (!id || !seen.insert(id.index).second) return;
    const Expr& expr = function.expr(id);
    if (is_float(expr.type.dtype)) count += flops(expr.kind);
    for (ExprId operand : {expr.a, expr.b, expr.c}) visit(operand);
  };
  visit(function.statement(store).value);
  EXPECT_EQ(count, GetParam().flops);
}

TEST_P(Math, Float64IsAccurate) {
  ExprKind kind = GetParam().kind;
  std::mt19937_64 random(7);
  std::vector<double> x = {0.0,     -0.0,     1.0,    -1.0,  kInf,   -kInf,  std::nan(""), 5e-324,
                           -5e-324, 2.3e-308, 1e-300, 1e300, 709.78, 709.79, 710.47,       -744.44,
                           -745.13, -745.14,  -708.5, 6.0,   1e5,    0.5,    2.0};
  std::uniform_real_distribution<double> exponent(-40, 40), unit(-1, 1);
  for (int i = 0; i < 100000; ++i) x.push_back(unit(random) * std::exp2(exponent(random)));
  for (int i = 0; i < 100000; ++i) x.push_back(unit(random) * 20);
  std::vector<double> y = run(kind, x);
  double worst = 0, worst_at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (is_free(kind, x[i], y[i])) continue;
    if (is_periodic(kind) && std::isfinite(x[i]) && std::abs(x[i]) > 0x1p30) {
      EXPECT_TRUE(std::isfinite(y[i]) && (kind == ExprKind::kTan || std::abs(y[i]) <= 1)) << x[i];
      continue;
    }
    if (kind == ExprKind::kSoftplus && std::isnan(x[i])) continue;
    double error = ulp_error(y[i], reference(kind, static_cast<long double>(x[i])));
    if (error > worst) worst = error, worst_at = x[i];
  }
  std::printf("%-9s f64 max %.3f ULP at %.17g\n", std::string(to_string(kind)).c_str(), worst,
              worst_at);
  constexpr double kUlpOf1e14 = 45;  // 1e-14 / 2^-52
  EXPECT_LE(worst, kUlpOf1e14) << "at " << worst_at;
}

INSTANTIATE_TEST_SUITE_P(Loops, Math, ::testing::ValuesIn(kBudgets),
                         [](const auto& info) { return std::string(to_string(info.param.kind)); });

TEST(Exponential, OfSoftmaxIsZeroWhereOthersAreDenormal) {
  const std::vector<float> x = {-87.7f, -88.5f, -96.0f, -100.0f, -103.9f, -1e4f, -3.4e38f, -kInf32};
  EXPECT_EQ(run(ExprKind::kSoftmaxExp, x), std::vector<float>(x.size(), 0.0f));
}

TEST(Exponential, PlusOneIsWithinItsBounds) {
  const std::vector<float> x = sample_of_f32();
  auto plus_one = [](E a, E) { return 1.0 + a.builder->unary(ExprKind::kExp, a); };
  const std::vector<float> y = run<float>(plus_one, x, {});
  double small = 0, large = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double& worst = std::abs(x[i]) <= 40 ? small : large;
    worst = std::max(worst, ulp_error(y[i], 1 + std::exp(double(x[i]))));
  }
  EXPECT_LE(small, 2.5);
  EXPECT_LE(large, 5);
}

// Every pair of these, then random pairs.
template <class T>
std::pair<std::vector<T>, std::vector<T>> pairs() {
  constexpr T inf = std::numeric_limits<T>::infinity();
  const std::vector<T> special = {T(0),
                                  T(-0.0),
                                  T(1),
                                  T(-1),
                                  inf,
                                  -inf,
                                  std::numeric_limits<T>::quiet_NaN(),
                                  T(2),
                                  T(-2),
                                  T(3),
                                  T(-3),
                                  T(0.5),
                                  T(-0.5),
                                  T(2.5),
                                  T(1e30),
                                  T(-1e30),
                                  T(16777217),
                                  T(127),
                                  T(1e-30),
                                  std::numeric_limits<T>::denorm_min(),
                                  std::numeric_limits<T>::max()};
  std::vector<T> a, b;
  for (T x : special) {
    for (T y : special) a.push_back(x), b.push_back(y);
  }
  std::mt19937 random(3);
  std::uniform_real_distribution<T> exponent(-20, 20), unit(-1, 1);
  for (int i = 0; i < 100000; ++i) {
    a.push_back(unit(random) * std::exp2(exponent(random)));
    b.push_back(i % 3 == 0 ? std::round(unit(random) * 20) : unit(random) * 20);
  }
  return {a, b};
}

template <class T, class Wide>
double worst_of_pairs(ExprKind kind, Wide (*wanted)(Wide, Wide)) {
  auto [a, b] = pairs<T>();
  std::vector<T> y = run<T>([&](E x, E z) { return x.builder->binary(kind, x, z); }, a, b);
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    double error = ulp_error(y[i], wanted(a[i], b[i]));
    if (error > 4)
      ADD_FAILURE() << to_string(kind) << "(" << a[i] << ", " << b[i] << ") = " << y[i];
    worst = std::max(worst, error);
  }
  return worst;
}

TEST(Power, FollowsLibm) {
  EXPECT_LE((worst_of_pairs<float, double>(ExprKind::kPow, std::pow)), 1);
  EXPECT_LE((worst_of_pairs<double, long double>(ExprKind::kPow, std::pow)), 3);
}

TEST(Power, OfAConstantExponentTakesNoLogarithm) {
  std::vector<float> x = {-3, -0.0f, 0.25f, 2, 7, kInf32, 1e15f, 1e-15f};
  for (double exponent : {0.0, 1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0}) {
    auto power = [&](E a, E) {
      return a.builder->binary(ExprKind::kPow, a, a.builder->number(exponent, a.type()));
    };
    std::vector<float> y = run<float>(power, x, {});
    for (size_t i = 0; i < x.size(); ++i) {
      double wanted = std::abs(exponent) == 0.5 ? std::pow(std::sqrt(double(x[i])), 2 * exponent)
                                                : std::pow(double(x[i]), exponent);
      EXPECT_LE(ulp_error(y[i], wanted), 2) << x[i] << " to " << exponent;
    }
  }
}

TEST(Power, OfIntegersWrapsAround) {
  std::vector<int32_t> base = {2, 3, -3, 0, 0, 1, -1, -1, 2, 7, -1, 1, 2, 10};
  std::vector<int32_t> exponent = {10, 5, 3, 0, 1000, 1 << 30, 1001, 1000, 40, 0, -3, -4, -1, 9};
  std::vector<int32_t> wanted = {1024, 243, -27, 1, 0, 1, -1, 1, 0, 1, -1, 1, 0, 1000000000};
  auto power = [](E a, E b) { return a.builder->binary(ExprKind::kPow, a, b); };
  std::vector<int32_t> y = run<int32_t>(power, base, exponent);
  y.resize(wanted.size());
  EXPECT_EQ(y, wanted);
}

double python_mod(double a, double b) {
  double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

TEST(Remainder, OfFloat32IsExact) {
  EXPECT_EQ((worst_of_pairs<float, double>(ExprKind::kRem, std::fmod)), 0);
  EXPECT_LE((worst_of_pairs<float, double>(ExprKind::kFloorMod, python_mod)), 0.5);
}

TEST(Remainder, OfFloat64IsExactForUsualQuotients) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(-60, 60), unit(-1, 1);
  std::vector<double> a, b;
  for (int i = 0; i < 100000; ++i) {
    a.push_back(unit(random) * std::exp2(exponent(random)));
    b.push_back(unit(random) * std::exp2(exponent(random)));
  }
  auto y = run<double>([](E x, E z) { return x % z; }, a, b);
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(y[i], std::fmod(a[i], b[i])) << a[i] << " " << b[i];
}

/// Quotient and remainder, truncated and floored, of first, first + 1, ..., on expanded code.
struct Divisions {
  std::vector<int64_t> results;
  bool divides;  ///< after the expansion
};

Divisions divide(int64_t first, int64_t count, int64_t divisor) {
  LoopBuilder b("kernel");
  BufferId y = b.buffer("y", DType::kInt64, BufferKind::kOutput);
  b.tasks(b.integer(1));
  b.loop("i", b.integer(count), [&](E i) {
    const E x = i + first, d = b.integer(divisor);
    const E results[] = {x / d, x % d, b.floor_div(x, d), b.floor_mod(x, d)};
    for (int64_t k = 0; k < 4; ++k) b.store(y, i * 4 + k, results[k]);
  });
  Function function = b.finish();
  expand_math(function);
  EXPECT_EQ(verify(function), "");
  Divisions divisions{std::vector<int64_t>(static_cast<size_t>(4 * count)), false};
  for (const Expr& expr : function.exprs)
    divisions.divides |= expr.kind == ExprKind::kDiv || expr.kind == ExprKind::kRem;
  testing::NativeCode code(codegen::compile(std::span(&function, 1), testing::host_target()));
  void* buffers[] = {divisions.results.data()};
  EXPECT_EQ(code.run(0, buffers, {}, 0, 1), 0);
  return divisions;
}

TEST(ExpandMath, DivisionsOfIndicesAreRight) {
  struct {
    int64_t first, count, divisor;
    bool divides;
  } rows[] = {{0, 3000, 1, false},
              {0, 3000, 2, false},
              {0, 3000, 3, false},
              {0, 3000, 7, false},
              {0, 3000, 56, false},
              {0, 3000, 641, false},
              {0, 3000, 2999, false},
              {0, 3000, 3000, false},
              {0, 1, 5, false},
              {(int64_t{1} << 31) - 1500, 3000, 57, false},
              {(int64_t{1} << 31) - 1500, 3000, 1000003, false},
              {(int64_t{1} << 40) - 1500, 3000, 4096, false},
              {(int64_t{1} << 61) - 1500, 3000, 7, true},
              {INT64_MAX - 3000, 3000, INT64_MAX - 1000, true},
              {-5, 3000, 7, true},
              {0, 3000, -7, true}};
  for (const auto& row : rows) {
    const Divisions made = divide(row.first, row.count, row.divisor);
    EXPECT_EQ(made.divides, row.divides) << row.first << " / " << row.divisor;
    for (int64_t i = 0; i < row.count; ++i) {
      const int64_t x = row.first + i, d = row.divisor;
      const int64_t rounded_up = x % d != 0 && (x % d < 0) != (d < 0);
      const int64_t wanted[] = {x / d, x % d, x / d - rounded_up, x % d + rounded_up * d};
      for (int64_t k = 0; k < 4; ++k)
        ASSERT_EQ(made.results[static_cast<size_t>(4 * i + k)], wanted[k]) << x << " by " << d;
    }
  }
}

TEST(ExpandMath, LeavesNoMathFunction) {
  LoopBuilder b("kernel");
  BufferId x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
  E value = b.load(x, b.integer(0));
  for (const Budget& each : kBudgets) value = b.unary(each.kind, value);
  value = b.floor_div(b.floor_mod(b.binary(ExprKind::kPow, value, value % 3.0), value), value);
  b.store(x, b.integer(0), value);
  Function function = b.finish();
  expand_math(function);
  EXPECT_EQ(verify(function), "");
  for (const Expr& expr : function.exprs) {
    EXPECT_FALSE(is_math(expr.kind) || expr.kind == ExprKind::kPow) << to_string(expr.kind);
    bool divides = expr.kind == ExprKind::kRem || expr.kind == ExprKind::kFloorMod ||
                   expr.kind == ExprKind::kFloorDiv;
    EXPECT_FALSE(divides && is_float(expr.type.dtype)) << to_string(expr.kind);
  }
}

}  // namespace
}  // namespace tenon::passes
