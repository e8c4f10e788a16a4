#include "codegen/codegen.h"

#include <gtest/gtest.h>

#include <numeric>

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

}  // namespace
}  // namespace tenon::codegen
