// Which products become one, and which stay as they are because merging would cost something.
#include "passes/graph/merge_matmuls.h"

#include "base/target.h"
#include "testing/networks.h"
#include "testing/passes.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::expect_same_results;
using testing::NetworkBuilder;

void merge(ir::Module& module) { merge_matmuls(module, *find_target("x86-64-v3")); }

int64_t products(const ir::Module& module) {
  return std::ranges::count_if(
      module.graph.nodes, [&](ir::NodeId node) { return module.node(node).op == Op::kMatMul; });
}

/// How many products are left, once the results have been compared.
int64_t products_after(ir::Module module) {
  expect_same_results(module, merge);
  return products(module);
}

ValueId reshape(NetworkBuilder& m, ValueId x, std::vector<Dim> dims) {
  return m.add(Op::kReshape, {x}, {{"dims", std::move(dims)}});
}

ValueId attend(NetworkBuilder& m, ValueId q, ValueId k, ValueId v) {
  return m.add(Op::kAttention, {q, k, v}, {{"scale", 0.3}, {"causal", false}, {"guarded", false}});
}

/// A kernel of its own that reads its operand whole.
ValueId softmax(NetworkBuilder& m, ValueId x) {
  const int64_t last = static_cast<int64_t>(m.module.value(x).type.rank()) - 1;
  return m.add(Op::kSoftmax, {x}, {{"axis", last}, {"log", false}});
}

TEST(MergeMatmuls, QueriesKeysAndValuesWithAndWithoutBias) {
  NetworkBuilder m;
  const auto x = m.input("x", {2, 5, 24});
  const auto q = m.linear(x, 32), k = m.add(Op::kMatMul, {x, m.parameter({24, 16})}),
             v = m.add(Op::kAdd,
                       {m.parameter({1, 1, 16}), m.add(Op::kMatMul, {x, m.parameter({24, 16})})});
  m.output(attend(m, m.heads(q, 4), m.heads(k, 2), m.heads(v, 2)));
  EXPECT_EQ(products_after(m.module), 1);
  expect_native_equals_reference(m.module, {{2, 5, 24}});
}

TEST(MergeMatmuls, AnyNumberOfRows) {
  NetworkBuilder m;
  const auto x = m.input("x", {m.module.dims.symbol("n"), m.module.dims.symbol("s"), 24});
  const auto q = m.linear(x, 32), k = m.linear(x, 32), v = m.linear(x, 32);
  m.output(attend(m, m.heads(q, 2), m.heads(k, 2), m.heads(v, 2)));
  ir::Module module = m.module;
  merge(module);
  EXPECT_EQ(products(module), 1);
  for (int64_t rows : {1, 3, 20}) expect_native_equals_reference(m.module, {{2, rows, 24}});
}

TEST(MergeMatmuls, NotAProductThatAnActivationJoins) {
  NetworkBuilder m;
  const auto x = m.input("x", {5, 24});
  const auto gate = m.linear(x, 32), up = m.linear(x, 32);
  m.output(m.add(Op::kMul, {m.add(Op::kSilu, {gate}), up}));
  EXPECT_EQ(products_after(m.module), 2);
}

TEST(MergeMatmuls, NotAnOutputOrAPartOfAConcatenation) {
  NetworkBuilder m;
  const auto x = m.input("x", {5, 24});
  for (int i = 0; i < 2; ++i) m.output(m.linear(x, 32));
  m.output(softmax(m, m.concat({m.linear(x, 16), m.linear(x, 8)})));
  EXPECT_EQ(products_after(m.module), 4);
}

TEST(MergeMatmuls, NotWhereAReaderWouldNeedACopy) {
  NetworkBuilder m;
  const auto x = m.input("x", {1, 36, 24});
  for (ValueId y : {m.linear(x, 16), m.linear(x, 16)}) {
    m.output(softmax(m, reshape(m, y, {1, 36 * 16})));
  }
  EXPECT_EQ(products_after(m.module), 2);
}

TEST(MergeMatmuls, NotWhereAConvolutionReadsIt) {
  NetworkBuilder m;
  const auto x = m.input("x", {1, 8, 24});
  for (ValueId y : {m.linear(x, 16), m.linear(x, 16)}) {
    m.output(m.add(Op::kConv, {y, m.parameter({4, 8, 3}), ValueId()},
                   {{"strides", std::vector<int64_t>{1}},
                    {"pads", std::vector<int64_t>{1, 1}},
                    {"dilations", std::vector<int64_t>{1}},
                    {"groups", int64_t{1}}}));
  }
  EXPECT_EQ(products_after(m.module), 2);
}

TEST(MergeMatmuls, NotWhereAPoolReadsIt) {
  NetworkBuilder m;
  const auto x = m.input("x", {1, 8, 6, 24});
  for (ValueId y : {m.linear(x, 16), m.linear(x, 16)}) m.output(m.max_pool(y));
  EXPECT_EQ(products_after(m.module), 2);
}

TEST(MergeMatmuls, NotWhereAForeignKernelReadsIt) {
  NetworkBuilder m;
  const auto x = m.input("x", {5, 24});
  const std::string definition = "(x: f32[n, c]) -> f32[n, c] = f in \"libf.so\"";
  const ir::Attrs attrs = {{"definition", definition}, {"numbers", std::vector<double>{}}};
  for (ValueId y : {m.linear(x, 16), m.linear(x, 16)}) m.output(m.add(Op::kCFunction, {y}, attrs));
  merge(m.module);
  EXPECT_EQ(products(m.module), 2);
}

TEST(MergeMatmuls, NotAcrossReaders) {
  NetworkBuilder m;
  const auto x = m.input("x", {1, 5, 24}), memory = m.input("memory", {1, 7, 24});
  auto y = x;
  for (int layer = 0; layer < 2; ++layer) {
    const auto q = m.linear(y, 24), k = m.linear(memory, 24), v = m.linear(memory, 24);
    y = m.merge(attend(m, m.heads(q, 2), m.heads(k, 2), m.heads(v, 2)));
  }
  m.output(y);
  EXPECT_EQ(products_after(m.module), 4);  // of each layer: queries; keys and values
  expect_native_equals_reference(m.module, {{1, 5, 24}, {1, 7, 24}});
}

TEST(MergeMatmuls, NotWhatIsNoConstantMatrix) {
  NetworkBuilder m;
  const auto x = m.input("x", {2, 5, 24});
  for (ValueId y : {m.add(Op::kMatMul, {x, m.input("w", {24, 16})}),
                    m.add(Op::kMatMul, {x, m.parameter({2, 24, 16})}), m.linear(x, 16)}) {
    m.output(softmax(m, reshape(m, y, {10, 16})));
  }
  EXPECT_EQ(products_after(m.module), 3);
}

}  // namespace
}  // namespace tenon::passes
