#include "ir/dim.h"

#include <gtest/gtest.h>

#include <random>

namespace tenon::ir {
namespace {

class DimTest : public testing::Test {
 protected:
  Dim parse(std::string_view text) {
    Result<Dim> dim = dims_.parse(text);
    EXPECT_TRUE(dim.has_value()) << text << ": " << (dim ? "" : dim.error().text());
    return dim.value_or(Dim());
  }
  std::string normal(std::string_view text) { return dims_.to_string(parse(text)); }

  Dims dims_;
};

TEST_F(DimTest, EqualExpressionsAreOneDim) {
  EXPECT_EQ(parse("n + 2*n + 1"), parse("1 + 3*n"));
  EXPECT_EQ(parse("(n + 1)*(n - 1)"), parse("n*n - 1"));
  EXPECT_EQ(parse("min(a, b)"), parse("min(b, a)"));
  EXPECT_EQ(parse("n - n"), Dim(0));
  EXPECT_NE(parse("n"), parse("m"));
}

TEST_F(DimTest, ConstantsFold) {
  EXPECT_EQ(parse("floor_div(-7, 2)"), Dim(-4));
  EXPECT_EQ(parse("floor_div(7, -2)"), Dim(-4));
  EXPECT_EQ(parse("mod(-7, 2)"), Dim(1));
  EXPECT_EQ(parse("mod(7, -2)"), Dim(-1));
  EXPECT_EQ(parse("min(3, -4)"), Dim(-4));
  EXPECT_EQ(parse("max(3, -4)"), Dim(3));
  EXPECT_EQ(dims_.ceil_div(7, 2), Dim(4));
  EXPECT_EQ(dims_.ceil_div(-7, 2), Dim(-3));
}

TEST_F(DimTest, DivisionTakesOutWhatIsExact) {
  EXPECT_EQ(normal("floor_div(4*a + 8*b, 4)"), "a + 2*b");
  EXPECT_EQ(normal("floor_div(4*a + b, 4)"), "a + floor_div(b, 4)");
  EXPECT_EQ(normal("floor_div(2*n + 1, 4)"), "floor_div(n, 2)");
  EXPECT_EQ(normal("floor_div(n - 1, 2) + 1"), "floor_div(n + 1, 2)");
  EXPECT_EQ(normal("floor_div(a*b + b, b)"), "a + 1");
  EXPECT_EQ(normal("floor_div(a*b + 2*a + b*b + 2*b, a + b)"), "b + 2");
  EXPECT_EQ(normal("floor_div(n, -2)"), "floor_div(n, 2) - n");
}

TEST_F(DimTest, ChainedDivisionsBecomeOne) {
  EXPECT_EQ(normal("floor_div(floor_div(n + 1, 2) + 1, 2)"), "floor_div(n + 3, 4)");
}

TEST_F(DimTest, RemainderOfMultiplesIsZero) {
  EXPECT_EQ(parse("mod(6*n, 3)"), Dim(0));
  EXPECT_EQ(parse("mod(a*b, a)"), Dim(0));
  EXPECT_EQ(normal("mod(5*n + 7, 4)"), "mod(n + 3, 4)");
  EXPECT_EQ(normal("mod(2*n + 1, 4)"), "2*mod(n, 2) + 1");
}

TEST_F(DimTest, OrderedOperandsDecideMinAndMax) {
  EXPECT_EQ(parse("min(n, n + 1)"), parse("n"));
  EXPECT_EQ(parse("max(n, n + 1)"), parse("n + 1"));
  EXPECT_EQ(parse("max(n, 0)"), parse("n"));
  EXPECT_EQ(normal("max(n - 1, 0)"), "max(0, n - 1)");
}

TEST_F(DimTest, KnowsWhatIsNeverNegative) {
  EXPECT_TRUE(dims_.never_negative(parse("n*m + floor_div(n, 2) + mod(n, 3)")));
  EXPECT_TRUE(dims_.never_negative(parse("max(n - m, 0)")));
  EXPECT_FALSE(dims_.never_negative(parse("n - 1")));
  EXPECT_FALSE(dims_.never_negative(parse("min(n, m - 1)")));
  EXPECT_FALSE(dims_.never_negative(parse("floor_div(n, m)")));
}

TEST_F(DimTest, ExactDivisionNeedsEveryTerm) {
  EXPECT_EQ(dims_.exact_div(parse("6*n*m"), parse("2*m")), parse("3*n"));
  EXPECT_EQ(dims_.exact_div(parse("n*n - 1"), parse("n + 1")), parse("n - 1"));
  EXPECT_EQ(dims_.exact_div(12, 4), Dim(3));
  EXPECT_FALSE(dims_.exact_div(parse("6*n + 1"), 2).has_value());
  EXPECT_FALSE(dims_.exact_div(13, 4).has_value());
  EXPECT_FALSE(dims_.exact_div(parse("n"), 0).has_value());
}

TEST_F(DimTest, SubstitutesInsideAtoms) {
  EXPECT_EQ(dims_.substitute(parse("floor_div(n + 3, 2)*m"), {{"n", 5}, {"m", parse("k + 1")}}),
            parse("4*k + 4"));
  EXPECT_EQ(dims_.substitute(parse("n + m"), {{"n", parse("m")}, {"m", parse("n")}}),
            parse("n + m"));
}

TEST_F(DimTest, NamesItsSymbols) {
  EXPECT_EQ(dims_.symbols(parse("a*b + max(c, a)")), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(dims_.symbols(7).empty());
}

TEST_F(DimTest, TextDoesNotDependOnTheTable) {
  parse("z + b + a");
  EXPECT_EQ(normal("z + a*b + 3 + a"), "a*b + a + z + 3");
  EXPECT_EQ(normal("-n - 1"), "-n - 1");
  EXPECT_EQ(normal("\"batch size\" * 2"), "2*\"batch size\"");
  EXPECT_EQ(normal("min + 1"), "min + 1");
}

TEST_F(DimTest, RefusesTextThatIsNoDim) {
  for (const char* text : {"", "n +", "n m", "floor_div(n)", "floor_div(n, 0)", "(n", "2 ** 3",
                           "'n'", "9223372036854775807 * n * 2", "99999999999999999999"}) {
    EXPECT_FALSE(dims_.parse(text).has_value()) << text;
  }
  EXPECT_FALSE(dims_.parse(std::string(100000, '(')).has_value());
  EXPECT_EQ(dims_.parse("n +\n  *").error().text(), "line 2, column 3: expected a 64-bit integer");
}

TEST_F(DimTest, OverflowIsAnInternalError) {
  EXPECT_THROW(dims_.mul(INT64_MAX, 2), InternalError);
  EXPECT_THROW(dims_.add(INT64_MAX, 1), InternalError);
  EXPECT_THROW(dims_.floor_div(parse("n"), 0), InternalError);
  EXPECT_THROW(dims_.evaluate(parse("n"), {}), InternalError);
}

TEST(CheckedProduct, RefusesOverflowAndNegatives) {
  EXPECT_EQ(checked_product(std::vector<int64_t>{}), 1);
  EXPECT_EQ(checked_product(std::vector<int64_t>{2, 3, 4}), 24);
  EXPECT_EQ(checked_product(std::vector<int64_t>{INT64_MAX, 2, 0}), 0);
  EXPECT_EQ(checked_product(std::vector<int64_t>{INT64_MAX, 2}), std::nullopt);
  EXPECT_EQ(checked_product(std::vector<int64_t>{0, -1}), std::nullopt);
}

/// A random expression, built through Dims and evaluated beside it without any normal form.
struct Sample {
  Dim dim;
  int64_t value;
};

class Sampler {
 public:
  Sampler(Dims& dims, uint32_t seed) : dims_(dims), random_(seed) {
    for (const char* name : {"a", "b", "c"}) symbols_[name] = pick(0, 9);
  }

  const std::map<std::string, int64_t>& symbols() const { return symbols_; }

  Sample sample(int depth) {
    if (depth == 0) {
      if (pick(0, 1) == 0) {
        const int64_t number = pick(-6, 6);
        return {number, number};
      }
      const auto symbol = std::next(symbols_.begin(), pick(0, 2));
      return {dims_.symbol(symbol->first), symbol->second};
    }
    const Sample a = sample(depth - 1), b = sample(depth - 1);
    switch (pick(0, 7)) {
      case 0: return {dims_.add(a.dim, b.dim), a.value + b.value};
      case 1: return {dims_.sub(a.dim, b.dim), a.value - b.value};
      case 2: return {dims_.mul(a.dim, b.dim), a.value * b.value};
      case 3: return {dims_.min(a.dim, b.dim), std::min(a.value, b.value)};
      case 4: return {dims_.max(a.dim, b.dim), std::max(a.value, b.value)};
      case 5:
        if (b.value == 0) return a;
        return {dims_.floor_div(a.dim, b.dim), floor(a.value, b.value)};
      case 6:
        if (b.value == 0) return a;
        return {dims_.ceil_div(a.dim, b.dim), -floor(-a.value, b.value)};
      default:
        if (b.value == 0) return a;
        return {dims_.mod(a.dim, b.dim), a.value - b.value * floor(a.value, b.value)};
    }
  }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  static int64_t floor(int64_t a, int64_t b) {
    int64_t quotient = a / b;
    while (quotient * b > a && b > 0) --quotient;
    while (quotient * b < a && b < 0) --quotient;
    return quotient;
  }

  Dims& dims_;
  std::mt19937 random_;
  std::map<std::string, int64_t> symbols_;
};

TEST_F(DimTest, NormalFormsEvaluateLikeWhatTheyCameFrom) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Sampler sampler(dims_, seed);
    const Sample sample = sampler.sample(static_cast<int>(seed % 4));
    const std::string text = dims_.to_string(sample.dim);
    EXPECT_EQ(dims_.evaluate(sample.dim, sampler.symbols()), sample.value) << seed << ": " << text;
    EXPECT_EQ(parse(text), sample.dim) << seed << ": " << text;
    Dims fresh;
    const Result<Dim> again = fresh.parse(text);
    ASSERT_TRUE(again.has_value()) << text;
    EXPECT_EQ(fresh.to_string(*again), text) << seed;
    EXPECT_TRUE(sample.value >= 0 || !dims_.never_negative(sample.dim)) << text;
  }
}

TEST(Dim, UnifyingWithAMinimumLimitsTheSymbol) {
  Dims dims;
  const Dim s = dims.symbol("s"), t = dims.symbol("t");
  EXPECT_EQ(dims.unify(s, t), std::nullopt);
  EXPECT_EQ(dims.unify(dims.min(s, 512), t), std::nullopt);
  EXPECT_TRUE(dims.limits().empty());
  EXPECT_EQ(dims.unify(dims.min(s, 512), s), s);
  EXPECT_EQ(dims.limits().at("s"), 512);
  EXPECT_EQ(dims.min(s, 600), s);
  EXPECT_NE(dims.min(s, 500), s);
}

TEST(Dim, ALimitBoundsWhatIsTakenAway) {
  Dims dims;
  const Dim s = dims.symbol("s");
  dims.limit("s", 512);
  EXPECT_TRUE(dims.never_negative(*dims.parse("1024 - 2*s")));
  EXPECT_FALSE(dims.never_negative(*dims.parse("1023 - 2*s")));
  EXPECT_FALSE(dims.never_negative(*dims.parse("512*t - t*s")));
  EXPECT_FALSE(dims.never_negative(dims.sub(0, dims.mul(s, INT64_MAX))));
}

}  // namespace
}  // namespace tenon::ir
