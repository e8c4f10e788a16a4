// The order of chains of dependent instructions that end in stores.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "base/target.h"
#include "codegen/codegen.h"
#include "ir/loop_builder.h"
#include "testing/agreement.h"
#include "testing/native.h"

namespace tenon::codegen {
namespace {

using ir::BufferKind;
using ir::DType;
using ir::E;
using ir::LoopBuilder;

constexpr int kLanes = 8;

/// As many multiply-adds, which all wait for each other.
E chain(LoopBuilder& b, E x, int length) {
  for (int i = 0; i < length; ++i) {
    x = b.let("x", b.fma(x, b.literal(0.75, x.type()), b.literal(i, x.type())));
  }
  return x;
}

/// One vector after the other through a chain.
ir::Function chains(int count, int length, BufferKind from) {
  LoopBuilder b("chains");
  auto x = b.buffer("x", DType::kFloat32, from);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  for (int i = 0; i < count; ++i) {
    b.store(y, b.integer(i * kLanes), chain(b, b.load(x, b.integer(i * kLanes), kLanes), length));
  }
  return b.finish();
}

/// What a function's loads (l), multiply-adds (f) and stores (s) of vectors follow each other as.
std::string order(const ir::Function& function) {
  std::string letters, line;
  std::istringstream text(llvm_text(function, *find_target("x86-64-v3")));
  while (std::getline(text, line)) {
    if (line.find("= load <") != std::string::npos) letters += 'l';
    if (line.find("= call <") != std::string::npos) letters += 'f';
    if (line.find("store <") != std::string::npos) letters += 's';
  }
  return letters;
}

std::string repeated(const std::string& part, int times) {
  std::string whole;
  for (int i = 0; i < times; ++i) whole += part;
  return whole;
}

TEST(Interleave, LongChainsTakeTurns) {
  EXPECT_EQ(order(chains(3, 16, BufferKind::kInput)), "lll" + repeated("fff", 16) + "sss");
}

TEST(Interleave, ManyChainsInEqualParts) {
  const std::string part = "lll" + repeated("fff", 16) + "sss";
  EXPECT_EQ(order(chains(6, 16, BufferKind::kInput)), part + part);
}

TEST(Interleave, ShortChainsStay) {
  const std::string one = "l" + repeated("f", 4) + "s";
  EXPECT_EQ(order(chains(3, 4, BufferKind::kInput)), repeated(one, 3));
}

TEST(Interleave, LoadsOfWhatStoresMayChangeStay) {
  const std::string one = "l" + repeated("f", 16) + "s";
  EXPECT_EQ(order(chains(3, 16, BufferKind::kOutput)), repeated(one, 3));
}

TEST(Interleave, ALongerStartComesFirst) {
  LoopBuilder b("longer_start");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  for (int i = 0; i < 3; ++i) {
    const E at = b.integer((i + 1) * kLanes);
    b.store(y, at, chain(b, b.load(x, at, kLanes), i == 0 ? 30 : 16));
  }
  EXPECT_EQ(order(b.finish()), "l" + repeated("f", 14) + "ll" + repeated("fff", 16) + "sss");
}

/// Each chain takes what the one before made, and all store to one place.
TEST(Interleave, ChainsThatNeedEachOther) {
  LoopBuilder b("needs");
  auto x = b.buffer("x", DType::kFloat32, BufferKind::kInput);
  auto y = b.buffer("y", DType::kFloat32, BufferKind::kOutput);
  E value = b.load(x, b.integer(0), kLanes);
  for (int length : {14, 20, 13, 16}) {
    value = chain(b, value, length);
    b.store(y, b.integer(0), value);
    b.store(y, b.integer(kLanes), value);
  }
  const std::vector<testing::Data> data = {testing::random_data(DType::kFloat32, kLanes, 1),
                                           testing::random_data(DType::kFloat32, 2 * kLanes, 2)};
  const ir::Function function = b.finish();
  testing::expect_agreement(function, data, {}, 1);
  testing::expect_code_on_all_targets(function);
}

}  // namespace
}  // namespace tenon::codegen
