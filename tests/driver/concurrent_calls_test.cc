// Callers that share one compiled model.
#include <thread>

#include "testing/models.h"

namespace tenon::driver {
namespace {

using ir::Op;
using testing::ModelBuilder;

/// Weights, a halo, a reduction and a product of two values; `rows` is free.
ir::Module network() {
  ModelBuilder m;
  const ir::Dim rows = m.module.dims.symbol("rows");
  const auto x = m.input("x", {1, 3, rows, 8});
  const auto conv = m.add(Op::kConv, {x, m.parameter({8, 3, 3, 3}), m.parameter({8})},
                          {{"strides", std::vector<int64_t>{1, 1}},
                           {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                           {"dilations", std::vector<int64_t>{1, 1}},
                           {"groups", int64_t{1}}});
  const auto scores = m.add(Op::kMatMul, {conv, m.parameter({8, 19})});
  const auto shares = m.add(Op::kSoftmax, {scores}, {{"axis", int64_t{3}}, {"log", false}});
  m.output(m.add(Op::kMatMul, {shares, m.add(Op::kTanh, {m.parameter({19, 5})})}));
  return std::move(m.module);
}

TEST(ConcurrentCalls, GiveWhatEachWouldGiveAlone) {
  constexpr size_t kCallers = 2, kCalls = 20;
  std::vector<ops::Tensor> inputs;
  for (int64_t rows : {5, 40}) {
    inputs.push_back(ModelBuilder::random(ir::DType::kFloat32, {1, 3, rows, 8}));
  }
  const Artifact artifact = testing::compile(network(), {.name = "plain"});
  for (uint32_t threads : {1U, 2U}) {
    const testing::LoadedArtifact loaded(artifact, threads);
    std::vector<ops::Tensor> expected;
    for (const ops::Tensor& input : inputs) {
      expected.push_back(testing::call(loaded.model(), {&input, 1})[0]);
    }
    std::vector<std::thread> callers;
    for (size_t i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        for (size_t k = 0; k < kCalls; ++k) {
          const size_t which = (i + k) % inputs.size();
          const auto got = testing::call(loaded.model(), {&inputs[which], 1});
          EXPECT_TRUE(testing::same_bits(got[0], expected[which])) << threads << " threads";
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
}

}  // namespace
}  // namespace tenon::driver
