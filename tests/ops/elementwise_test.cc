#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "testing/naive_loops.h"

namespace tenon::testing {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;

constexpr double kInf = std::numeric_limits<double>::infinity();

const std::vector<DType> kFloats = {DType::kFloat16, DType::kBFloat16, DType::kFloat32,
                                    DType::kFloat64};

void expect_near(const Tensor& result, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(static_cast<size_t>(result.count()), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    double value = result.number(static_cast<int64_t>(i));
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(value)) << i;
    } else if (std::isinf(expected[i])) {
      EXPECT_EQ(value, expected[i]) << i;
    } else {
      EXPECT_NEAR(value, expected[i], tolerance * std::max(1.0, std::fabs(expected[i]))) << i;
    }
  }
}

double tolerance(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return 2e-3;
    case DType::kBFloat16: return 1.6e-2;
    case DType::kFloat32: return 1e-6;
    default: return 1e-14;
  }
}

struct Unary {
  Op op;
  double (*expected)(double);
  ir::Attrs attrs = {};
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double clamp01(double x) { return std::fmin(1, std::fmax(0, x)); }

const std::vector<Unary>& unary_cases() {
  static const std::vector<Unary> cases = {
      {Op::kNeg, [](double x) { return -x; }},
      {Op::kAbs, [](double x) { return std::fabs(x); }},
      {Op::kSign, [](double x) { return x > 0   ? 1.0
                                        : x < 0 ? -1.0
                                                : 0.0; }},
      {Op::kReciprocal, [](double x) { return 1 / x; }},
      {Op::kSqrt, [](double x) { return std::sqrt(x); }},
      {Op::kRsqrt, [](double x) { return 1 / std::sqrt(x); }},
      {Op::kFloor, [](double x) { return std::floor(x); }},
      {Op::kCeil, [](double x) { return std::ceil(x); }},
      {Op::kRound, [](double x) { return std::nearbyint(x); }},
      {Op::kTrunc, [](double x) { return std::trunc(x); }},
      {Op::kExp, [](double x) { return std::exp(x); }},
      {Op::kExpm1, [](double x) { return std::expm1(x); }},
      {Op::kLog, [](double x) { return std::log(x); }},
      {Op::kLog1p, [](double x) { return std::log1p(x); }},
      {Op::kErf, [](double x) { return std::erf(x); }},
      {Op::kSin, [](double x) { return std::sin(x); }},
      {Op::kCos, [](double x) { return std::cos(x); }},
      {Op::kTan, [](double x) { return std::tan(x); }},
      {Op::kAsin, [](double x) { return std::asin(x); }},
      {Op::kAcos, [](double x) { return std::acos(x); }},
      {Op::kAtan, [](double x) { return std::atan(x); }},
      {Op::kSinh, [](double x) { return std::sinh(x); }},
      {Op::kCosh, [](double x) { return std::cosh(x); }},
      {Op::kTanh, [](double x) { return std::tanh(x); }},
      {Op::kAsinh, [](double x) { return std::asinh(x); }},
      {Op::kAcosh, [](double x) { return std::acosh(x); }},
      {Op::kAtanh, [](double x) { return std::atanh(x); }},
      {Op::kRelu, [](double x) { return std::fmax(0, x); }},
      {Op::kLeakyRelu, [](double x) { return x < 0 ? x * 0.25 : x; }, {{"alpha", 0.25}}},
      {Op::kElu, [](double x) { return x < 0 ? 2 * std::expm1(x) : x; }, {{"alpha", 2.0}}},
      {Op::kCelu, [](double x) { return x < 0 ? 2 * std::expm1(x / 2) : x; }, {{"alpha", 2.0}}},
      {Op::kSelu,
       [](double x) { return 1.5 * (x > 0 ? x : 2 * std::expm1(x)); },
       {{"alpha", 2.0}, {"gamma", 1.5}}},
      {Op::kThresholdedRelu, [](double x) { return x > 1 ? x : 0; }, {{"alpha", 1.0}}},
      {Op::kSigmoid, sigmoid},
      {Op::kSilu, [](double x) { return x * sigmoid(x); }},
      {Op::kHardSigmoid,
       [](double x) { return clamp01(0.25 * x + 0.5); },
       {{"alpha", 0.25}, {"beta", 0.5}}},
      {Op::kHardSwish, [](double x) { return x * clamp01(x / 6 + 0.5); }},
      {Op::kGelu, [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {Op::kGeluTanh,
       [](double x) {
         return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       }},
      {Op::kQuickGelu, [](double x) { return x * sigmoid(1.5 * x); }, {{"alpha", 1.5}}},
      {Op::kMish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
      {Op::kSoftplus, [](double x) { return std::log1p(std::exp(x)); }},
      {Op::kSoftsign, [](double x) { return x / (1 + std::fabs(x)); }},
      {Op::kShrink,
       [](double x) { return x < -0.5  ? x + 0.25
                             : x > 0.5 ? x - 0.25
                                       : 0; },
       {{"lambda", 0.5}, {"bias", 0.25}}},
  };
  return cases;
}

TEST(Elementwise, UnaryFunctionsOnEveryFloat) {
  const std::vector<double> values = {-2.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 1.5, 2.5, 3};
  for (const Unary& unary : unary_cases()) {
    for (DType dtype : kFloats) {
      SCOPED_TRACE(std::string(ir::info(unary.op).name) + " " + std::string(to_string(dtype)));
      std::vector<double> expected;
      for (double x : values) expected.push_back(unary.expected(x));
      Tensor result = evaluate(unary.op, {tensor(dtype, {11}, values)}, unary.attrs);
      EXPECT_EQ(result.dtype(), dtype);
      expect_near(result, expected, tolerance(dtype));
    }
  }
}

TEST(Elementwise, SaturatingFunctionsStayFiniteFarOut) {
  Tensor x = floats({4}, {-200, -90, 90, 200});
  expect_near(evaluate(Op::kSoftplus, {x}), {0, 0, 90, 200}, 1e-6);
  expect_near(evaluate(Op::kSilu, {x}), {0, 0, 90, 200}, 1e-6);
  expect_near(evaluate(Op::kSigmoid, {x}), {0, 0, 1, 1}, 1e-6);
  expect_near(evaluate(Op::kMish, {x}), {0, 0, 90, 200}, 1e-6);
}

struct Binary {
  Op op;
  std::vector<double> a, b, expected;
};

TEST(Elementwise, BinaryFunctionsOnSignedIntegersAndFloats) {
  const std::vector<double> a = {7, -7, 7, -7, 6}, b = {2, 2, -2, -2, 3};
  const std::map<Op, std::vector<double>> both = {
      {Op::kAdd, {9, -5, 5, -9, 9}},      {Op::kSub, {5, -9, 9, -5, 3}},
      {Op::kMul, {14, -14, -14, 14, 18}}, {Op::kFloorDiv, {3, -4, -4, 3, 2}},
      {Op::kMod, {1, 1, -1, -1, 0}},      {Op::kFmod, {1, -1, 1, -1, 0}},
      {Op::kMin, {2, -7, -2, -7, 3}},     {Op::kMax, {7, 2, 7, -2, 6}},
      {Op::kEqual, {0, 0, 0, 0, 0}},      {Op::kNotEqual, {1, 1, 1, 1, 1}},
      {Op::kLess, {0, 1, 0, 1, 0}},       {Op::kLessEqual, {0, 1, 0, 1, 0}},
      {Op::kGreater, {1, 0, 1, 0, 1}},    {Op::kGreaterEqual, {1, 0, 1, 0, 1}},
  };
  for (const auto& [op, expected] : both) {
    for (DType dtype : {DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64, DType::kFloat16,
                        DType::kBFloat16, DType::kFloat32, DType::kFloat64}) {
      SCOPED_TRACE(std::string(ir::info(op).name) + " " + std::string(to_string(dtype)));
      Tensor result = evaluate(op, {tensor(dtype, {5}, a), tensor(dtype, {5}, b)});
      EXPECT_EQ(numbers(result), expected);
    }
  }
  EXPECT_EQ(
      numbers(evaluate(Op::kDiv, {integers({4}, {7, -7, 7, -7}), integers({4}, {2, 2, -2, -2})})),
      (std::vector<double>{3, -3, -3, 3}));
  EXPECT_EQ(numbers(evaluate(Op::kDiv, {floats({2}, {7, 1}), floats({2}, {2, 0})})),
            (std::vector<double>{3.5, kInf}));
  EXPECT_EQ(numbers(evaluate(Op::kPow, {floats({3}, {2, 9, -2}), floats({3}, {10, 0.5, 3})})),
            (std::vector<double>{1024, 3, -8}));
  EXPECT_EQ(
      numbers(evaluate(Op::kPow, {integers({4}, {2, -3, 5, 2}), integers({4}, {10, 3, 0, -1})})),
      (std::vector<double>{1024, -27, 1, 0}));
}

TEST(Elementwise, IntegersWrapAround) {
  Tensor a = tensor(DType::kInt8, {3}, {127, -128, 100});
  Tensor b = tensor(DType::kInt8, {3}, {1, -1, 2});
  EXPECT_EQ(numbers(evaluate(Op::kAdd, {a, b})), (std::vector<double>{-128, 127, 102}));
  EXPECT_EQ(numbers(evaluate(Op::kMul, {a, b})), (std::vector<double>{127, -128, -56}));
  EXPECT_EQ(numbers(evaluate(Op::kDiv, {a, b})), (std::vector<double>{127, -128, 50}));
  EXPECT_EQ(numbers(evaluate(Op::kDiv, {a, tensor(DType::kInt8, {1}, {0})})).size(), 3U);
}

TEST(Elementwise, UnsignedIntegersCompareAndShiftAsSuch) {
  Tensor a = tensor(DType::kUInt8, {3}, {200, 3, 255}), b = tensor(DType::kUInt8, {3}, {100, 5, 1});
  EXPECT_EQ(numbers(evaluate(Op::kGreater, {a, b})), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(numbers(evaluate(Op::kShiftRight, {a, tensor(DType::kUInt8, {1}, {4})})),
            (std::vector<double>{12, 0, 15}));
  EXPECT_EQ(numbers(evaluate(Op::kShiftLeft, {a, tensor(DType::kUInt8, {1}, {1})})),
            (std::vector<double>{144, 6, 254}));
  EXPECT_EQ(numbers(evaluate(Op::kSign, {tensor(DType::kUInt8, {2}, {0, 9})})),
            (std::vector<double>{0, 1}));
  EXPECT_EQ(numbers(evaluate(Op::kAbs, {a})), numbers(a));
}

TEST(Elementwise, LogicAndBits) {
  Tensor a = tensor(DType::kBool, {4}, {0, 0, 1, 1}), b = tensor(DType::kBool, {4}, {0, 1, 0, 1});
  EXPECT_EQ(numbers(evaluate(Op::kAnd, {a, b})), (std::vector<double>{0, 0, 0, 1}));
  EXPECT_EQ(numbers(evaluate(Op::kOr, {a, b})), (std::vector<double>{0, 1, 1, 1}));
  EXPECT_EQ(numbers(evaluate(Op::kXor, {a, b})), (std::vector<double>{0, 1, 1, 0}));
  EXPECT_EQ(numbers(evaluate(Op::kNot, {a})), (std::vector<double>{1, 1, 0, 0}));
  EXPECT_EQ(numbers(evaluate(Op::kEqual, {a, b})), (std::vector<double>{1, 0, 0, 1}));
  Tensor x = tensor(DType::kInt32, {2}, {12, -1}), y = tensor(DType::kInt32, {2}, {10, 7});
  EXPECT_EQ(numbers(evaluate(Op::kBitAnd, {x, y})), (std::vector<double>{8, 7}));
  EXPECT_EQ(numbers(evaluate(Op::kBitOr, {x, y})), (std::vector<double>{14, -1}));
  EXPECT_EQ(numbers(evaluate(Op::kBitXor, {x, y})), (std::vector<double>{6, -8}));
  EXPECT_EQ(numbers(evaluate(Op::kBitNot, {x})), (std::vector<double>{-13, 0}));
}

TEST(Elementwise, SpecialValuesOfFloats) {
  Tensor x = floats({4}, {NAN, kInf, -kInf, 1});
  EXPECT_EQ(numbers(evaluate(Op::kIsNan, {x})), (std::vector<double>{1, 0, 0, 0}));
  EXPECT_EQ(numbers(evaluate(Op::kIsInf, {x}, {{"negative", true}, {"positive", false}})),
            (std::vector<double>{0, 0, 1, 0}));
  EXPECT_EQ(numbers(evaluate(Op::kIsInf, {x}, {{"negative", true}, {"positive", true}})),
            (std::vector<double>{0, 1, 1, 0}));
  EXPECT_EQ(evaluate(Op::kIsNan, {x}).dtype(), DType::kBool);
  Tensor relu = evaluate(Op::kRelu, {x});
  EXPECT_TRUE(std::isnan(relu.number(0)));
  Tensor clipped = evaluate(Op::kClip, {x, floats({}, {-2}), floats({}, {3})});
  expect_near(clipped, {NAN, 3, -2, 1}, 0);
  EXPECT_EQ(numbers(evaluate(Op::kClip, {floats({2}, {0, 9}), floats({}, {5}), floats({}, {2})})),
            (std::vector<double>{2, 2}));
}

TEST(Elementwise, Broadcasts) {
  Tensor a = floats({2, 1, 3}, {0, 1, 2, 3, 4, 5}), b = floats({2, 1}, {10, 20});
  Tensor sum = evaluate(Op::kAdd, {a, b});
  EXPECT_EQ(sum.shape(), (std::vector<int64_t>{2, 2, 3}));
  EXPECT_EQ(numbers(sum), (std::vector<double>{10, 11, 12, 20, 21, 22, 13, 14, 15, 23, 24, 25}));
  EXPECT_EQ(evaluate(Op::kAdd, {floats({}, {1}), floats({}, {2})}).number(0), 3);
  EXPECT_EQ(evaluate(Op::kAdd, {floats({0, 3}, {}), floats({3}, {1, 2, 3})}).shape(),
            (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(
      numbers(evaluate(Op::kPrelu, {floats({2, 2}, {-1, -1, 1, -2}), floats({2, 1}, {3, 4})})),
      (std::vector<double>{-3, -3, 1, -8}));
}

TEST(Elementwise, GoesOnBeyondOneBlock) {
  Tensor x = counting(DType::kInt32, {3, 1000}), y = counting(DType::kInt32, {1000});
  Tensor sum = evaluate(Op::kAdd, {x, y});
  for (int64_t i : {0, 999, 1000, 1023, 1024, 2048, 2999}) {
    EXPECT_EQ(sum.integer(i), i + i % 1000);
  }
}

TEST(Elementwise, WhereTakesTheDtypeOfItsBranches) {
  Tensor condition = tensor(DType::kBool, {2}, {1, 0});
  Tensor result = evaluate(Op::kWhere, {condition, integers({2}, {1, 2}), integers({1}, {9})});
  EXPECT_EQ(result.dtype(), DType::kInt64);
  EXPECT_EQ(numbers(result), (std::vector<double>{1, 9}));
  Tensor halves = tensor(DType::kFloat16, {1}, {0.5});
  EXPECT_EQ(evaluate(Op::kWhere, {condition, halves, halves}).dtype(), DType::kFloat16);
}

TEST(Elementwise, CastsBetweenAllDtypes) {
  const std::vector<DType> all = {
      DType::kBool,     DType::kInt8,    DType::kInt16,  DType::kInt32,  DType::kInt64,
      DType::kUInt8,    DType::kUInt16,  DType::kUInt32, DType::kUInt64, DType::kFloat16,
      DType::kBFloat16, DType::kFloat32, DType::kFloat64};
  for (DType from : all) {
    for (DType to : all) {
      Tensor x = tensor(from, {2}, {0, 1});
      Tensor result = evaluate(Op::kCast, {x}, {{"to", to}});
      EXPECT_EQ(result.dtype(), to);
      EXPECT_EQ(numbers(result), (std::vector<double>{0, 1}));
    }
  }
  Tensor x = floats({4}, {-1.75, 2.5, 1000, NAN});
  EXPECT_EQ(numbers(evaluate(Op::kCast, {x}, {{"to", DType::kInt8}})),
            (std::vector<double>{-1, 2, 127, 0}));
  EXPECT_EQ(numbers(evaluate(Op::kCast, {floats({1}, {1 + 0x1p-12})}, {{"to", DType::kFloat16}})),
            (std::vector<double>{1}));
}

TEST(Elementwise, BitCastKeepsTheBits) {
  EXPECT_EQ(numbers(evaluate(Op::kBitCast, {floats({2}, {1, -0.0F})}, {{"to", DType::kInt32}})),
            (std::vector<double>{0x3f800000, INT32_MIN}));
  EXPECT_EQ(
      numbers(evaluate(Op::kBitCast, {tensor(DType::kInt8, {1}, {-1})}, {{"to", DType::kUInt8}})),
      (std::vector<double>{255}));
}

/// Loops in every placement against evaluation.
void check_loops(Op op, const std::vector<Tensor>& operands, const ir::Attrs& attrs = {},
                 double allowed = 1e-6) {
  SCOPED_TRACE(ir::info(op).name);
  check(op, operands, attrs, {evaluate(op, operands, attrs)}, allowed);
}

TEST(Elementwise, LoopsDoTheSame) {
  for (const Unary& unary : unary_cases()) {
    for (DType dtype : kFloats) {
      Tensor x = tensor(dtype, {2, 1, 3}, {-1.25, -0.75, 0.25, 0.5, 1, 2.75});
      check_loops(unary.op, {x}, unary.attrs, tolerance(dtype));
    }
  }
  for (DType dtype : {DType::kInt8, DType::kInt64, DType::kFloat16, DType::kFloat64}) {
    Tensor a = tensor(dtype, {2, 1, 3}, {7, -7, 1, 2, 3, 4}), b = tensor(dtype, {2, 1}, {2, -2});
    for (Op op : {Op::kAdd, Op::kSub, Op::kMul, Op::kDiv, Op::kFloorDiv, Op::kMod, Op::kFmod,
                  Op::kMin, Op::kMax, Op::kEqual, Op::kNotEqual, Op::kLess, Op::kLessEqual,
                  Op::kGreater, Op::kGreaterEqual, Op::kPow}) {
      check_loops(op, {a, b}, {}, tolerance(dtype));
    }
    check_loops(Op::kClip, {a, tensor(dtype, {}, {-1}), tensor(dtype, {1}, {3})});
    check_loops(Op::kWhere, {tensor(DType::kBool, {1, 2, 1}, {1, 0}), a, b});
    for (DType to : {DType::kBool, DType::kUInt8, DType::kInt32, DType::kBFloat16}) {
      check_loops(Op::kCast, {a}, {{"to", to}});
    }
  }
  Tensor flags = tensor(DType::kBool, {2, 2}, {0, 0, 1, 1}),
         others = tensor(DType::kBool, {2}, {0, 1});
  Tensor bytes = tensor(DType::kUInt8, {3}, {200, 3, 255}), two = tensor(DType::kUInt8, {}, {2});
  for (Op op : {Op::kAnd, Op::kOr, Op::kXor}) check_loops(op, {flags, others});
  for (Op op : {Op::kBitAnd, Op::kBitOr, Op::kBitXor, Op::kShiftLeft, Op::kShiftRight}) {
    check_loops(op, {bytes, two});
  }
  check_loops(Op::kNot, {flags});
  check_loops(Op::kBitNot, {bytes});
  check(Op::kCopy, {flags}, {}, {flags});
  check(Op::kCopy, {floats({}, {7})}, {}, {floats({}, {7})});
  Tensor special = floats({4}, {NAN, kInf, -kInf, 1});
  check_loops(Op::kIsNan, {special});
  check_loops(Op::kIsInf, {special}, {{"negative", false}, {"positive", true}});
  check_loops(Op::kPrelu, {floats({2, 2}, {-1, -1, 1, -2}), floats({2, 1}, {3, 4})});
  check_loops(Op::kAdd, {counting(DType::kInt32, {3, 1000}), counting(DType::kInt32, {1000})});
}

TEST(Elementwise, SaysWhyOperandsDoNotWork) {
  Tensor f = floats({2}, {1, 2}), i = integers({2}, {1, 2});
  Tensor b = tensor(DType::kBool, {2}, {0, 1});
  EXPECT_EQ(error_of(Op::kAdd, {f, i}), "operands have different dtypes, f32 and i64");
  EXPECT_EQ(error_of(Op::kExp, {i}), "'exp(x)' does not work with i64");
  EXPECT_EQ(error_of(Op::kLeakyRelu, {i}, {{"alpha", 0.5}}),
            "'select(x < 0, x * $alpha, x)' does not work with i64");
  EXPECT_EQ(error_of(Op::kAdd, {b, b}), "'a + b' does not work with bool, bool");
  EXPECT_EQ(error_of(Op::kMin, {b, b}), "'min(a, b)' does not work with bool, bool");
  EXPECT_EQ(error_of(Op::kBitAnd, {f, f}), "'a & b' does not work with f32, f32");
  EXPECT_EQ(error_of(Op::kShiftLeft, {b, b}), "'a << b' does not work with bool, bool");
  EXPECT_EQ(error_of(Op::kWhere, {f, f, f}),
            "'select(condition, a, b)' does not work with f32, f32, f32");
  const Tensor half = tensor(DType::kFloat16, {2}, {1, 2});
  EXPECT_EQ(error_of(Op::kBitCast, {half}, {{"to", DType::kInt16}}),
            "'bitcast(x, $to)' does not work with f16");
  EXPECT_EQ(error_of(Op::kAdd, {floats({2}, {1, 2}), floats({3}, {1, 2, 3})}),
            "shapes [2] and [3] do not broadcast: 2 against 3");
}

TEST(Elementwise, SymbolicDimsBroadcastWithThemselvesAndOne) {
  ir::Dims dims;
  ir::Dim n = dims.symbol("n"), m = dims.symbol("m");
  ir::TensorType a{DType::kFloat32, {n, 1}}, b{DType::kFloat32, {m}}, c{DType::kFloat32, {n, n}};
  ops::Inferred sum = infer(Op::kAdd, {&a, &b}, {}, dims);
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(sum->front().dims, (std::vector<ir::Dim>{n, m}));
  ops::Inferred bad = infer(Op::kAdd, {&b, &c}, {}, dims);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error(), "shapes [m] and [n, n] do not broadcast: m against n");
}

}  // namespace
}  // namespace tenon::testing
