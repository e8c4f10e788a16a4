#include "interp/loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ir/loop_builder.h"

namespace tenon::interp {
namespace {

using ir::BufferKind;
using ir::DType;
using ir::E;
using ir::ExprKind;
using ir::LoopBuilder;
using ir::R;

/// kind(a, b) of scalars in memory.
template <class T>
T apply(ExprKind kind, DType dtype, T a, T b) {
  LoopBuilder builder("apply");
  auto x = builder.buffer("x", dtype, BufferKind::kInOut);
  E left = builder.load(x, builder.integer(0)), right = builder.load(x, builder.integer(1));
  builder.store(x, builder.integer(0), builder.binary(kind, left, right));
  T values[] = {a, b};
  void* buffers[] = {values};
  EXPECT_EQ(run(builder.finish(), buffers, {}, 0, 1).value(), 0);
  return values[0];
}

template <class T>
T apply(ExprKind kind, DType dtype, T a) {
  LoopBuilder builder("apply");
  auto x = builder.buffer("x", dtype, BufferKind::kInOut);
  builder.store(x, builder.integer(0), builder.unary(kind, builder.load(x, builder.integer(0))));
  void* buffers[] = {&a};
  EXPECT_EQ(run(builder.finish(), buffers, {}, 0, 1).value(), 0);
  return a;
}

TEST(LoopInterpreter, IntegersWrapAround) {
  EXPECT_EQ(apply<int8_t>(ExprKind::kAdd, DType::kInt8, 127, 1), -128);
  EXPECT_EQ(apply<uint16_t>(ExprKind::kMul, DType::kUInt16, 65535, 65535), 1);
  EXPECT_EQ(apply<int32_t>(ExprKind::kSub, DType::kInt32, INT32_MIN, 1), INT32_MAX);
  EXPECT_EQ(apply<int64_t>(ExprKind::kDiv, DType::kInt64, INT64_MIN, -1), INT64_MIN);
  EXPECT_EQ(apply<int8_t>(ExprKind::kAbs, DType::kInt8, -128), -128);
}

TEST(LoopInterpreter, DivisionRounds) {
  EXPECT_EQ(apply<int32_t>(ExprKind::kDiv, DType::kInt32, -7, 2), -3);
  EXPECT_EQ(apply<int32_t>(ExprKind::kRem, DType::kInt32, -7, 2), -1);
  EXPECT_EQ(apply<int32_t>(ExprKind::kFloorDiv, DType::kInt32, -7, 2), -4);
  EXPECT_EQ(apply<int32_t>(ExprKind::kFloorMod, DType::kInt32, -7, 2), 1);
  EXPECT_EQ(apply<int32_t>(ExprKind::kFloorDiv, DType::kInt32, 7, -2), -4);
  EXPECT_EQ(apply<int32_t>(ExprKind::kFloorMod, DType::kInt32, 7, -2), -1);
  EXPECT_EQ(apply(ExprKind::kRem, DType::kFloat32, -7.5f, 2.f), -1.5f);
  EXPECT_EQ(apply(ExprKind::kFloorMod, DType::kFloat32, -7.5f, 2.f), 0.5f);
  EXPECT_EQ(apply(ExprKind::kFloorDiv, DType::kFloat64, -7.5, 2.), -4.);
  // The nearest doubles: 0.1 is above one tenth.
  EXPECT_EQ(apply(ExprKind::kFloorDiv, DType::kFloat64, 1., 0.1), 9.);
}

TEST(LoopInterpreter, Floats) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(apply(ExprKind::kMin, DType::kFloat32, nan, 1.f), 1.f);
  EXPECT_TRUE(std::isnan(apply(ExprKind::kMin, DType::kFloat32, 1.f, nan)));
  EXPECT_EQ(apply(ExprKind::kRound, DType::kFloat32, 2.5f), 2.f);
  EXPECT_EQ(apply(ExprKind::kExp, DType::kFloat32, 1.f), 2.71828183f);
  EXPECT_EQ(apply(ExprKind::kSoftplus, DType::kFloat64, -800.), 0.);
  EXPECT_EQ(apply(ExprKind::kSoftplus, DType::kFloat64, 800.), 800.);
  EXPECT_EQ(apply(ExprKind::kPow, DType::kFloat32, 2.f, -1.f), 0.5f);
  EXPECT_EQ(apply<int32_t>(ExprKind::kPow, DType::kInt32, -3, 3), -27);
}

TEST(LoopInterpreter, ReduceFoldsTheUpperHalfOntoTheLower) {
  LoopBuilder b("reduce");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
  b.store(x, b.integer(0), b.reduce(ExprKind::kReduceAdd, b.load(x, b.integer(0), 4)));
  // (1e8 - 1e8) + (1 + 1), where left to right would lose the first 1.
  float values[] = {1e8f, 1, -1e8f, 1};
  void* buffers[] = {values};
  ASSERT_EQ(run(b.finish(), buffers, {}, 0, 1).value(), 0);
  EXPECT_EQ(values[0], 2.f);
}

/// Copies x[index + lane] to y for the lanes below `count`.
ir::Function masked_copy() {
  LoopBuilder b("copy");
  E index = b.param("index"), count = b.param("count");
  auto x = b.buffer("input", DType::kInt32, BufferKind::kInput, b.integer(6));
  auto y = b.buffer("output", DType::kInt32, BufferKind::kOutput, b.integer(4));
  E mask = b.ramp(b.integer(0), 1, 4) < b.broadcast(count, 4);
  b.store(y, b.integer(0), b.load(x, index, 4, mask));
  return b.finish();
}

TEST(LoopInterpreter, MaskedLanesAreNotTouchedAndReadAsZero) {
  std::vector<int32_t> x = {1, 2, 3, 4, 5, 6}, y(4, -1);
  void* buffers[] = {x.data(), y.data()};
  int64_t params[] = {4, 2};
  ASSERT_EQ(run(masked_copy(), buffers, params, 0, 1).value(), 0);
  EXPECT_EQ(y, (std::vector<int32_t>{5, 6, 0, 0}));
}

TEST(LoopInterpreter, AccessOutsideOfABufferIsAnErrorThatNamesIt) {
  std::vector<int32_t> x(6), y(4);
  void* buffers[] = {x.data(), y.data()};
  int64_t params[] = {4, 3};
  Result<int32_t> result = run(masked_copy(), buffers, params, 0, 1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kRuntime);
  EXPECT_NE(result.error().text().find("index 6 is outside of buffer input with 6 elements"),
            std::string::npos)
      << result.error().text();
}

TEST(LoopInterpreter, TasksAndChecks) {
  LoopBuilder b("tasks");
  auto y = b.buffer("y", DType::kInt64, BufferKind::kOutput);
  E task = b.tasks(b.integer(10));
  b.check(task < 5, 3);
  b.store(y, task, task);
  ir::Function function = b.finish();
  std::vector<int64_t> y_data(10, -1);
  void* buffers[] = {y_data.data()};
  EXPECT_EQ(run(function, buffers, {}, 2, 4).value(), 0);
  EXPECT_EQ(run(function, buffers, {}, 4, 7).value(), 3);
  EXPECT_EQ(y_data, (std::vector<int64_t>{-1, -1, 2, 3, 4, -1, -1, -1, -1, -1}));
}

TEST(LoopInterpreter, ScratchKeepsNothingBetweenTasks) {
  LoopBuilder b("scratch");
  auto y = b.buffer("y", DType::kUInt8, BufferKind::kOutput);
  auto s = b.buffer("s", DType::kUInt8, BufferKind::kScratch, b.integer(1));
  E task = b.tasks(b.integer(2));
  b.store(y, task, b.load(s, b.integer(0)));
  b.store(s, b.integer(0), b.integer(1, DType::kUInt8));
  std::vector<uint8_t> values(2);
  void* buffers[] = {values.data()};
  ASSERT_EQ(run(b.finish(), buffers, {}, 0, 2).value(), 0);
  EXPECT_EQ(values, (std::vector<uint8_t>{0xAB, 0xAB}));
}

TEST(LoopInterpreter, RefusesWhatWouldTakeTooLong) {
  LoopBuilder b("forever");
  R sum = b.let_register("sum", b.literal(0, {DType::kInt32, 4096}));
  b.loop("i", b.integer(int64_t{1} << 40), [&](E) { b.assign(sum, sum.value + sum.value); });
  Result<int32_t> result = run(b.finish(), {}, {}, 0, 1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kUnsupported);
}

}  // namespace
}  // namespace tenon::interp
