#include "ir/loop_builder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/verify.h"

namespace tenon::ir {
namespace {

constexpr DType kI64 = DType::kInt64;

struct Folding : testing::Test {
  LoopBuilder b{"f"};
  E x = b.param("x"), y = b.param("y");

  E i8(int64_t value) { return b.integer(value, DType::kInt8); }
};

TEST_F(Folding, NeutralAndAbsorbingConstantsDisappear) {
  for (E e : {x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, b.floor_div(x, b.integer(1))}) {
    EXPECT_EQ(e.id, x.id);
  }
  for (E e : {x * 0, x - x, x % 1, b.floor_mod(x, b.integer(1))}) EXPECT_TRUE(e.is(0));
  EXPECT_EQ((0 - x).id, (-x).id);
}

TEST_F(Folding, SumsKeepOneConstantOutermost) {
  EXPECT_EQ(((x + 3) + 4).id, (x + 7).id);
  EXPECT_EQ(((x + 3) + y).id, ((x + y) + 3).id);
  EXPECT_EQ((x + (y + 3)).id, ((x + y) + 3).id);
  EXPECT_EQ(((x + 3) + (y + 4)).id, ((x + y) + 7).id);
  EXPECT_EQ(((x + 3) - (y + 4)).id, ((x - y) + -1).id);
  EXPECT_EQ((10 - (x + 3)).id, (7 - x).id);
  EXPECT_EQ((x - 3).id, (x + -3).id);
  EXPECT_EQ(((x + 3) - 3).id, x.id);
  EXPECT_EQ(((x + 2) * 8).id, (x * 8 + 16).id);
  EXPECT_EQ(((x * 3) * 4).id, (x * 12).id);
}

TEST_F(Folding, QuotientAndRemainderOfOneDivisionMeetInSums) {
  EXPECT_EQ((x % 56 * 256 + x / 56 * 14336).id, (x * 256).id);
  EXPECT_EQ((x / 56 * 14336 + x % 56 * 256).id, (x * 256).id);
  EXPECT_EQ((x % 56 + x / 56 * 58).id, (x + x / 56 * 2).id);
  EXPECT_EQ((((y + x % 8 * 4) + 5) + x / 8 * 40).id, (y + (x * 4 + x / 8 * 8) + 5).id);
  const E four = b.integer(4);
  EXPECT_EQ((b.floor_mod(x, four) + b.floor_div(x, four) * 4).id, x.id);
  // Three digits.
  EXPECT_EQ((x % 7 + x / 7 % 5 * 7 + x / 7 / 5 * 35).id, x.id);
  // Others stay: rows that overlap, other divisors, other roundings, numbers that are not positive.
  for (E e : {x % 4 + x / 4 * 2, x % 4 + x / 5 * 4, x % 4 + y / 4 * 4,
              x % 4 + b.floor_div(x, four) * 4, x % 4 * -1 + x / 4 * -4, x % -4 + x / -4 * -4}) {
    EXPECT_EQ(b.function().expr(e.id).kind, ExprKind::kAdd);
    EXPECT_NE(e.id, x.id);
  }
}

TEST_F(Folding, IntegersWrapAtTheirWidth) {
  EXPECT_TRUE((i8(127) + i8(1)).is(-128));
  EXPECT_TRUE((-i8(-128)).is(-128));
  EXPECT_TRUE((i8(-128) / i8(-1)).is(-128));
  EXPECT_TRUE((b.integer(INT64_MIN) / -1).is(INT64_MIN));
  EXPECT_TRUE((b.integer(200, DType::kUInt8) + 100).is(44));
  EXPECT_TRUE((b.integer(-1, DType::kUInt64) / 2).is(INT64_MAX));
}

TEST_F(Folding, DivisionRoundsAsItsNameSays) {
  struct {
    int64_t a, b, div, rem, floor_div, floor_mod;
  } rows[] = {{7, 2, 3, 1, 3, 1},
              {-7, 2, -3, -1, -4, 1},
              {7, -2, -3, 1, -4, -1},
              {-7, -2, 3, -1, 3, -1},
              {-6, 2, -3, 0, -3, 0}};
  for (auto& row : rows) {
    E p = b.integer(row.a), q = b.integer(row.b);
    EXPECT_TRUE((p / q).is(row.div));
    EXPECT_TRUE((p % q).is(row.rem));
    EXPECT_TRUE(b.floor_div(p, q).is(row.floor_div));
    EXPECT_TRUE(b.floor_mod(p, q).is(row.floor_mod));
  }
  EXPECT_FALSE((b.integer(1) / 0).constant());
}

TEST_F(Folding, ComparesAndSelects) {
  EXPECT_TRUE((b.integer(2) < b.integer(3)).is(1));
  EXPECT_TRUE((b.integer(-1, DType::kUInt64) <= b.integer(3, DType::kUInt64)).is(0));
  EXPECT_TRUE((x == x).is(1));
  EXPECT_EQ(b.select(b.integer(2) < 3, x, y).id, x.id);
  EXPECT_TRUE(b.min(b.integer(4), b.integer(5)).is(4));
  EXPECT_TRUE(b.max(b.integer(4), b.integer(5)).is(5));
}

TEST_F(Folding, FloatsFoldOnConstantsOnly) {
  E v = b.cast(x, DType::kFloat32);
  EXPECT_NE((v + 0).id, v.id);
  EXPECT_NE((v * 1).id, v.id);
  const Function& f = b.function();
  E third = b.number(1, {DType::kFloat32, 1}) / 3;
  EXPECT_EQ(float_value(f.expr(third.id)), 1.0F / 3.0F);
  EXPECT_EQ(float_value(f.expr(b.number(1 + 0x1p-11, {DType::kFloat16, 1}).id)), 1.0);
  EXPECT_EQ(float_value(f.expr(b.number(65520, {DType::kFloat16, 1}).id)), INFINITY);
  EXPECT_EQ(float_value(f.expr(b.number(3e-8, {DType::kFloat16, 1}).id)), 0x1p-24 * 1);
  EXPECT_EQ(float_value(f.expr(b.number(1 + 0x1.8p-7, {DType::kBFloat16, 1}).id)), 1 + 0x1p-6);
}

TEST_F(Folding, CastsOfConstants) {
  EXPECT_TRUE(b.cast(b.number(-2.7, {DType::kFloat32, 1}), DType::kInt32).is(-2));
  EXPECT_TRUE(b.cast(b.number(0.5, {DType::kFloat32, 1}), DType::kBool).is(1));
  EXPECT_TRUE(b.cast(b.integer(300), DType::kUInt8).is(44));
  EXPECT_FALSE(b.cast(b.number(1e30, {DType::kFloat32, 1}), DType::kInt64).constant());
  E big = b.cast(b.integer((int64_t{1} << 54) + (int64_t{1} << 30) + 1), DType::kFloat32);
  EXPECT_EQ(float_value(b.function().expr(big.id)), 0x1p54 + 0x1p31);
}

TEST_F(Folding, KeepAsWrittenBuildsWhatIsSaid) {
  b.keep_as_written();
  EXPECT_NE((x + 0).id, x.id);
  EXPECT_FALSE((b.integer(1) + 2).constant());
}

TEST_F(Folding, BroadcastsConstantsAndMatchesLanes) {
  E v = b.broadcast(b.cast(x, DType::kFloat32), 8);
  E sum = v + b.cast(y, DType::kFloat32);
  EXPECT_EQ(sum.type(), (VectorType{DType::kFloat32, 8}));
  EXPECT_EQ((v * 2).type().lanes, 8);
  EXPECT_TRUE(b.broadcast(b.integer(3), 4).is(3));
  EXPECT_EQ(b.extract(v, 3).id, b.cast(x, DType::kFloat32).id);
  EXPECT_EQ(b.extract(b.ramp(x, 2, 8), 3).id, (x + 6).id);
}

TEST_F(Folding, MixedDtypesAreAnInternalError) {
  EXPECT_THROW(b.cast(x, DType::kFloat32) + y, InternalError);
  EXPECT_THROW(x + 0.5, InternalError);
  EXPECT_THROW(b.ramp(x, 1, 4) + b.ramp(x, 1, 8), InternalError);
  EXPECT_EQ((x + 2.0).id, (x + 2).id);
}

TEST(LoopBuilder, MakesAWellFormedFunction) {
  LoopBuilder b("conv");
  BufferId x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  BufferId w = b.buffer("w", DType::kFloat32, BufferKind::kInput);
  BufferId y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  E n = b.param("n");
  E task = b.tasks(n * 4);
  E a = b.let("a", task * 8);
  R acc = b.let_register("acc", b.number(0, {DType::kFloat32, 8}));
  b.loop("i", n, [&](E i) {
    b.assign(acc, b.fma(b.load(x, a + i, 8), b.load(w, i), acc));
    b.prefetch(w, i + 64);
  });
  b.if_then(a < n, [&] { b.store(y, a, acc); }, [&] { b.store(y, a, acc, b.ramp(a, 1, 8) < n); });
  b.check(a < n + 1, 1);
  Function f = b.finish();
  EXPECT_EQ(verify(f), "");
  EXPECT_EQ(to_string(f), R"(func conv(n; in x: f32, in w: f32, out y: f32) tasks n * 4 as task {
  let a: i64 = task * 8
  reg acc: f32x8 = 0.0
  for i = 0 to n {
    acc = fma(load x[a + i]:8, broadcast(load w[i], 8), acc)
    prefetch w[i + 64]
  }
  if a < n {
    store y[a] = acc
  } else {
    store y[a] mask(ramp(a, 1, 8) < broadcast(n, 8)) = acc
  }
  check a < n + 1 code 1
}
)");
}

TEST(LoopBuilder, KnownConditionsLeaveOneBranch) {
  LoopBuilder b("f");
  BufferId y = b.buffer("y", kI64, BufferKind::kOutput);
  E n = b.param("n");
  b.if_then(n == n, [&] { b.store(y, n, n); }, [&] { b.store(y, n, n + 1); });
  b.check(n == n, 1);
  Function f = b.finish();
  EXPECT_EQ(to_string(f), "func f(n; out y: i64) tasks 1 as task {\n  store y[n] = n\n}\n");
}

}  // namespace
}  // namespace tenon::ir
