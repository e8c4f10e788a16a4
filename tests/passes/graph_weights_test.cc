// Arithmetic that goes into weights, and views that stood in its way.
#include "passes/graph/fold_normalisation.h"
#include "passes/graph/simplify.h"
#include "passes/graph/sink_views.h"
#include "passes/graph/split_prepare.h"
#include "testing/passes.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Op;
using ir::ValueId;
using testing::expect_same_results;
using testing::histogram;
using testing::ModelBuilder;

/// What is left for the run graph.
std::string work_left(ir::Module& module) {
  split_prepare(module);
  ir::clean_up(module);
  return histogram(module);
}

ir::Attrs conv_attrs(int64_t groups) {
  return {{"strides", std::vector<int64_t>{1, 1}},
          {"pads", std::vector<int64_t>{1, 1, 1, 1}},
          {"dilations", std::vector<int64_t>{1, 1}},
          {"groups", groups}};
}

ir::Attrs transpose_attrs(int64_t groups) {
  ir::Attrs attrs = conv_attrs(groups);
  attrs.set("output_padding", std::vector<int64_t>{0, 0});
  return attrs;
}

ValueId batch_norm(ModelBuilder& m, ValueId x, int64_t channels) {
  const ValueId squares = m.parameter({channels});
  const ValueId variance = m.add(Op::kMul, {squares, squares});
  return m.add(
      Op::kBatchNorm,
      {x, m.parameter({channels}), m.parameter({channels}), m.parameter({channels}), variance},
      {{"epsilon", 1e-3}});
}

TEST(FoldNormalisation, BatchNormGoesIntoEveryHeavyOperator) {
  for (bool biased : {false, true}) {
    for (int64_t groups : {1, 2, 4}) {
      ModelBuilder m;
      const auto x = m.input("x", {2, 4, 5, 5});
      const auto bias = [&] { return biased ? m.parameter({8}) : ValueId(); };
      const auto conv =
          m.add(Op::kConv, {x, m.parameter({8, 4 / groups, 3, 3}), bias()}, conv_attrs(groups));
      const auto back = m.add(Op::kConvTranspose, {x, m.parameter({4, 8 / groups, 3, 3}), bias()},
                              transpose_attrs(groups));
      m.output(m.add(Op::kRelu, {batch_norm(m, conv, 8)}));
      m.output(batch_norm(m, back, 8));
      expect_same_results(m.module, fold_normalisation);
      EXPECT_EQ(work_left(m.module), "conv=1 conv_transpose=1 relu=1");
    }
  }
}

TEST(FoldNormalisation, BatchNormGoesIntoMatMulAndItsBias) {
  ModelBuilder m;
  const auto x = m.input("x", {3, 6});
  const auto plain = m.add(Op::kMatMul, {x, m.parameter({6, 5})});
  const auto biased =
      m.add(Op::kAdd, {m.parameter({5}), m.add(Op::kMatMul, {x, m.parameter({6, 5})})});
  m.output(batch_norm(m, plain, 5));
  m.output(batch_norm(m, biased, 5));
  expect_same_results(m.module, fold_normalisation);
  EXPECT_EQ(work_left(m.module), "add=2 matmul=2");
}

TEST(FoldNormalisation, OtherBatchNormIsAMultiplicationAndAnAddition) {
  ModelBuilder m;
  const auto x = m.input("x", {2, 3, 4});
  const auto conv = m.add(Op::kConv, {x, m.parameter({3, 3, 1}), ValueId()},
                          {{"strides", std::vector<int64_t>{1}},
                           {"pads", std::vector<int64_t>{0, 0}},
                           {"dilations", std::vector<int64_t>{1}},
                           {"groups", int64_t{1}}});
  m.output(batch_norm(m, x, 3));
  m.output(batch_norm(m, conv, 3));
  m.output(conv);  // read by somebody else: its weights stay
  expect_same_results(m.module, fold_normalisation);
  EXPECT_EQ(work_left(m.module), "add=2 conv=1 mul=2");
}

TEST(FoldNormalisation, ScalesAndShiftsByChannelFold) {
  ModelBuilder m;
  const auto x = m.input("x", {1, 4, 5, 5});
  const auto conv = m.add(Op::kConv, {x, m.parameter({6, 4, 3, 3}), ValueId()}, conv_attrs(1));
  const auto scaled = m.add(Op::kMul, {m.parameter({1, 6, 1, 1}), conv});
  const auto halved = m.add(Op::kMul, {scaled, m.scalar(0.5F)});
  m.output(m.add(Op::kAdd, {m.add(Op::kAdd, {halved, m.parameter({6, 1, 1})}), m.scalar(3)}));
  expect_same_results(m.module, fold_normalisation);
  EXPECT_EQ(work_left(m.module), "conv=1");
}

TEST(FoldNormalisation, KeepsWhatIsNotByChannel) {
  ModelBuilder m;
  const auto x = m.input("x", {1, 4, 5, 5});
  const auto conv = m.add(Op::kConv, {x, m.parameter({5, 4, 3, 3}), ValueId()}, conv_attrs(1));
  m.output(m.add(Op::kAdd, {m.add(Op::kMul, {conv, m.parameter({5})}), m.input("y", {5, 1, 1})}));
  expect_same_results(m.module, fold_normalisation);
  EXPECT_EQ(work_left(m.module), "add=1 conv=1 mul=1");
}

ValueId reshape(ModelBuilder& m, ValueId x, std::vector<Dim> dims) {
  return m.add(Op::kReshape, {x}, {{"dims", std::move(dims)}});
}

TEST(SinkViews, ActivationsAndResidualsReachTheirMatMul) {
  ModelBuilder m;
  const auto x = m.input("x", {6, 8}), residual = m.input("residual", {2, 3, 4});
  const auto product =
      m.add(Op::kAdd, {m.add(Op::kMatMul, {x, m.parameter({8, 4})}), m.parameter({4})});
  const auto shown = reshape(m, product, {2, 3, 4});
  const auto bent = m.add(Op::kAdd, {m.parameter({1, 1, 4}), m.add(Op::kGelu, {shown})});
  m.output(reshape(m, m.add(Op::kAdd, {residual, bent}), {6, 4}));
  expect_same_results(m.module, [](ir::Module& module) {
    sink_views(module);
    simplify(module);
  });
  EXPECT_EQ(work_left(m.module), "add=3 gelu=1 matmul=1 reshape=1");
  EXPECT_TRUE(m.module.is(m.module.graph.outputs[0], Op::kAdd));
}

TEST(SinkViews, ScalesBehindTransposesFoldIntoWeights) {
  ModelBuilder m;
  const auto x = m.input("x", {1, 5, 5, 8});
  const auto product = m.add(Op::kMatMul, {x, m.parameter({8, 6})});
  const auto channels_first =
      m.add(Op::kTranspose, {product}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  m.output(m.add(Op::kMul, {m.parameter({6, 1, 1}), channels_first}));
  const auto of_inputs = m.add(Op::kMatMul, {x, m.input("y", {1, 5, 8, 8})});
  m.output(m.add(Op::kMul, {m.scalar(0.125F), reshape(m, of_inputs, {25, 8})}));
  expect_same_results(m.module, [](ir::Module& module) {
    sink_views(module);
    fold_normalisation(module);
  });
  EXPECT_EQ(work_left(m.module), "matmul=2 mul=1 reshape=1 transpose=1");
}

TEST(SinkViews, LeavesViewsThatOthersRead) {
  ModelBuilder m;
  const auto x = m.input("x", {6, 4});
  const auto shown = reshape(m, m.add(Op::kExp, {x}), {2, 3, 4});
  m.output(m.add(Op::kRelu, {shown}));
  m.output(shown);
  m.output(m.add(Op::kRelu, {reshape(m, x, {4, 6})}));  // of an input: nothing to join
  const std::string before = ir::to_string(m.module);
  sink_views(m.module);
  EXPECT_EQ(ir::to_string(m.module), before);
}

TEST(SinkViews, SinksThroughOpenSizes) {
  ModelBuilder m;
  const Dim batch = m.module.dims.symbol("batch");
  const auto x = m.input("x", {batch, 3, 4});
  const auto product = m.add(Op::kMatMul, {x, m.parameter({4, 5})});
  const auto turned = m.add(Op::kTranspose, {product}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  m.output(m.add(Op::kAdd, {turned, m.parameter({5, 1})}));
  sink_views(m.module);
  EXPECT_EQ(ir::verify(m.module), "");
  EXPECT_TRUE(m.module.is(m.module.graph.outputs[0], Op::kTranspose));
}

}  // namespace
}  // namespace tenon::passes
