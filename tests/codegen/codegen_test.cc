#include "codegen/codegen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <thread>

#include "ir/loop_builder.h"
#include "testing/native.h"

namespace tenon::codegen {
namespace {

using ir::BufferKind;
using ir::DType;
using ir::E;
using ir::LoopBuilder;

/// y[task] = x[task] * scale + number
ir::Function scale(double number) {
  LoopBuilder b("scale");
  E factor = b.param("factor");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  E task = b.tasks(factor);
  b.store(y, task, b.load(x, task) * b.cast(factor, DType::kFloat32) + number);
  return b.finish();
}

TEST(Codegen, TasksFromBeginToEnd) {
  std::vector<ir::Function> functions = {scale(0.5)};
  testing::NativeCode code(compile(functions, testing::host_target()));
  std::vector<float> x = {1, 2, 3, 4}, y(4, -1);
  void* buffers[] = {x.data(), y.data()};
  int64_t params[] = {3};
  EXPECT_EQ(code.run(0, buffers, params, 1, 3), 0);
  EXPECT_EQ(y, (std::vector<float>{-1, 6.5, 9.5, -1}));
}

TEST(Codegen, ManyFunctionsInOneImage) {
  std::vector<ir::Function> functions;
  for (int i = 0; i < 30; ++i) functions.push_back(scale(i));
  Image image = compile(functions, testing::host_target(), {.threads = 3});
  Image serial = compile(functions, testing::host_target());
  EXPECT_EQ(image.code, serial.code);
  EXPECT_EQ(image.entries, serial.entries);
  testing::NativeCode code(image);
  for (int i = 0; i < 30; ++i) {
    float x = 2, y = 0;
    void* buffers[] = {&x, &y};
    int64_t params[] = {3};
    EXPECT_EQ(code.run(i, buffers, params, 0, 1), 0);
    EXPECT_EQ(y, 6 + static_cast<float>(i));
  }
}

TEST(Codegen, ScratchLayoutIsTheDocumentedOne) {
  LoopBuilder b("scratch");
  auto bytes = b.buffer("bytes", DType::kInt8, BufferKind::kScratch, b.integer(65));
  auto words = b.buffer("words", DType::kInt32, BufferKind::kScratch, b.integer(3));
  b.store(bytes, b.integer(64), b.integer(5, DType::kInt8));
  b.store(words, b.integer(2), b.integer(7, DType::kInt32));
  ir::Function function = b.finish();
  ASSERT_EQ(static_scratch_bytes(function), 192u);
  testing::NativeCode code(compile({&function, 1}, testing::host_target()));
  alignas(64) std::array<std::byte, 192> scratch = {};
  EXPECT_EQ(code.run(0, {}, {}, 0, 1, scratch.data()), 0);
  EXPECT_EQ(scratch[64], std::byte{5});
  EXPECT_EQ(scratch[128 + 8], std::byte{7});
}

TEST(Codegen, ScratchOfAnUnknownSizeHasNoStaticSize) {
  LoopBuilder b("scratch");
  b.buffer("s", DType::kInt8, BufferKind::kScratch, b.param("n"));
  EXPECT_EQ(static_scratch_bytes(b.finish()), std::nullopt);
}

/// Reads x in one of several ways at `index`, and writes y there; both have 16 elements.
ir::Function access(int way) {
  LoopBuilder b("access");
  E index = b.param("index");
  auto x = b.buffer("x", DType::kInt32, BufferKind::kInput, b.integer(16));
  auto y = b.buffer("y", DType::kInt32, BufferKind::kOutput, b.integer(16));
  E lanes = b.ramp(index, 1, 4);
  E low = lanes < 16;
  E inside = b.integer(0);
  switch (way) {
    case 0: b.store(y, inside, b.load(x, index)); break;
    case 1: b.store(y, inside, b.load(x, index, 4)); break;
    case 2: b.store(y, inside, b.load(x, index, 4, low)); break;
    case 3: b.store(y, inside, b.gather(x, lanes)); break;
    case 4: b.store(y, inside, b.gather(x, lanes, low)); break;
    case 5: b.store(y, index, b.load(x, inside)); break;
    case 6: b.store(y, index, b.load(x, inside, 4)); break;
    default: b.store(y, index, b.load(x, inside, 4), low); break;
  }
  return b.finish();
}

/// Indices for `access`, within the buffers and not.
struct Indices {
  int way;
  std::vector<int64_t> good, bad;
};

const int64_t kLowest = std::numeric_limits<int64_t>::min();
const Indices kIndices[] = {
    {0, {0, 15}, {-1, 16, kLowest}},     {1, {0, 12}, {-1, 13, 16, kLowest}},
    {2, {0, 13, 16, 99}, {-1, kLowest}}, {3, {0, 12}, {-1, 13, 16, kLowest}},
    {4, {0, 13, 16, 99}, {-1, kLowest}}, {5, {0, 15}, {-1, 16, kLowest}},
    {6, {0, 12}, {-1, 13, 16, kLowest}}, {7, {0, 13, 16, 99}, {-1, kLowest}}};

TEST(Checked, AccessOutsideOfABufferEndsTheCall) {
  for (const auto& [way, good, bad] : kIndices) {
    ir::Function function = access(way);
    testing::NativeCode code(compile({&function, 1}, testing::host_target(), {.checked = true}));
    std::array<int32_t, 16> x = {}, y = {};
    void* buffers[] = {x.data(), y.data()};
    auto run = [&](int64_t index) { return code.run(0, buffers, {&index, 1}, 0, 1); };
    for (int64_t index : good) EXPECT_EQ(run(index), TENON_KERNEL_OK) << way << " at " << index;
    for (int64_t index : bad) EXPECT_EQ(run(index), TENON_KERNEL_EXTENT) << way << " at " << index;
  }
}

#if defined(__SANITIZE_ADDRESS__)
TEST(Instrumented, AccessOutsideOfABufferIsReported) {
  for (const auto& [way, good, bad] : kIndices) {
    const ir::Function function = access(way);
    const testing::NativeCode code(compile({&function, 1}, testing::host_target()));
    std::vector<int32_t> x(16), y(16);
    void* buffers[] = {x.data(), y.data()};
    auto run = [&](int64_t index) { return code.run(0, buffers, {&index, 1}, 0, 1); };
    for (int64_t index : good) EXPECT_EQ(run(index), TENON_KERNEL_OK) << way << " at " << index;
    for (int64_t index : bad) {
      if (index == kLowest) continue;  // whose address wraps around into the buffer
      EXPECT_DEATH(run(index), "AddressSanitizer") << way << " at " << index;
    }
  }
}
#elif defined(__SANITIZE_THREAD__)
/// Ends with an error if the sanitizer sees that the kernel and this thread use the same elements.
void race(int way) {
  const ir::Function function = access(way);
  const testing::NativeCode code(compile({&function, 1}, testing::host_target()));
  std::vector<int32_t> x(16), y(16);
  void* buffers[] = {x.data(), y.data()};
  std::thread kernel([&] {
    int64_t index = 4;
    code.run(0, buffers, {&index, 1}, 0, 1);
  });
  constexpr int kFirstStore = 5;
  std::ranges::fill(way < kFirstStore ? x : y, 1);
  kernel.join();
  std::exit(0);
}

TEST(Instrumented, RacesAreReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Indices& indices : kIndices) EXPECT_DEATH(race(indices.way), "data race");
}
#endif

TEST(Codegen, WhatMustBeExpandedBeforeIsAnInternalError) {
  for (ir::ExprKind kind : {ir::ExprKind::kExp, ir::ExprKind::kErf}) {
    LoopBuilder b("math");
    auto x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
    b.store(x, b.integer(0), b.unary(kind, b.load(x, b.integer(0))));
    ir::Function function = b.finish();
    EXPECT_THROW(compile({&function, 1}, testing::host_target()), InternalError);
  }
  for (ir::ExprKind kind : {ir::ExprKind::kPow, ir::ExprKind::kRem, ir::ExprKind::kFloorMod}) {
    LoopBuilder b("math");
    auto x = b.buffer("x", DType::kFloat32, BufferKind::kInOut);
    E value = b.load(x, b.integer(0));
    b.store(x, b.integer(0), b.binary(kind, value, value));
    ir::Function function = b.finish();
    EXPECT_THROW(compile({&function, 1}, testing::host_target()), InternalError);
  }
}

TEST(Codegen, ConstantsTravelWithTheCode) {
  LoopBuilder b("constants");
  auto y = b.buffer("y", DType::kFloat64, BufferKind::kOutput);
  for (int i = 0; i < 20; ++i) b.store(y, b.integer(i), b.literal(i + 0.1, {DType::kFloat64, 1}));
  ir::Function function = b.finish();
  Image image = compile({&function, 1}, testing::host_target());
  testing::NativeCode first(image), second(image);  // at two addresses
  for (const testing::NativeCode* code : {&first, &second}) {
    std::array<double, 20> values = {};
    void* buffers[] = {values.data()};
    EXPECT_EQ(code->run(0, buffers, {}, 0, 1), 0);
    EXPECT_EQ(values[19], 19.1);
  }
}

TEST(Codegen, LlvmTextIsReadable) {
  std::string text = llvm_text(scale(1), testing::host_target());
  EXPECT_NE(text.find("define i32 @scale(ptr"), std::string::npos) << text;
  EXPECT_EQ(text.find("alloca"), std::string::npos) << text;
}

}  // namespace
}  // namespace tenon::codegen
