// One file for several targets.
#include <algorithm>

#include "testing/networks.h"

namespace tenon {
namespace {

using testing::NetworkBuilder;
using testing::run_artifact;

ir::Module small_network() {
  NetworkBuilder m;
  const auto x = m.conv_block(m.input("x", {1, 3, 12, 12}), 24, 3);
  m.output(m.linear(m.mean(x, false), 20));
  return m.module;
}

driver::Artifact compile(const ir::Module& module, const std::string& target) {
  const Result<driver::CompiledModel> compiled = driver::compile(module, {.target = target});
  if (!compiled) throw std::runtime_error(compiled.error().text());
  return compiled->artifact;
}

tenon_file_header header(const driver::Artifact& artifact) {
  tenon_file_header header;
  std::memcpy(&header, artifact.bytes().data(), sizeof(header));
  return header;
}

TEST(Targets, EachHasItsCodeInOneFile) {
  const ir::Module module = small_network();
  const driver::Artifact both = compile(module, "x86-64-v3,x86-64-v4");
  const std::vector<ops::Tensor> inputs = {
      NetworkBuilder::random(ir::DType::kFloat32, {1, 3, 12, 12})};
  const auto expected = interp::run(module, inputs);
  ASSERT_TRUE(expected);
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    SCOPED_TRACE(target);
    if (!host_can_run(*find_target(target))) continue;
    const auto got = run_artifact(both, inputs, {.target = target});
    EXPECT_LE(testing::difference(got[0], (*expected)[0]), 1e-5);
    const auto alone = run_artifact(compile(module, target), inputs);
    EXPECT_TRUE(testing::same_bits(got[0], alone[0]));
  }
  EXPECT_LE(testing::difference(run_artifact(both, inputs)[0], (*expected)[0]), 1e-5);
}

TEST(Targets, TheOrderInWhichTheyAreNamedIsNothing) {
  const ir::Module module = small_network();
  const driver::Artifact a = compile(module, "x86-64-v3,x86-64-v4"),
                         b = compile(module, "x86-64-v4,x86-64-v3");
  EXPECT_TRUE(std::ranges::equal(a.bytes(), b.bytes()));
  EXPECT_STREQ(header(a).target, "x86-64-v4");
}

TEST(Targets, EqualWeightsAreThereOnce) {
  NetworkBuilder m;
  m.output(m.add(ir::Op::kMul, {m.input("x", {1000}), m.parameter({1000})}));
  const auto bytes = [&](const std::string& target) {
    return header(compile(m.module, target)).weights_bytes;
  };
  EXPECT_EQ(bytes("x86-64-v3,x86-64-v4"), (bytes("x86-64-v3") + 63) / 64 * 64);
}

TEST(Targets, OnesThatAreNotKnownOrThereTwiceAreRefused) {
  for (const char* target : {"x86-64-v3,x86-64-v3", "x86-64-v3,abacus", "x86-64-v3,", ","}) {
    const auto compiled = driver::compile(small_network(), {.target = target});
    ASSERT_FALSE(compiled) << target;
    EXPECT_EQ(compiled.error().kind, ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace tenon
