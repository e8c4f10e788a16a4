// Whole small models: the pipeline's native code against reference evaluation.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

TEST(Compile, Elementwise) {
  ModelBuilder m;
  const auto x = m.input("x", {3, 5, 7});
  const auto bias = m.parameter({7});
  m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {m.add(Op::kMul, {x, m.scalar(2)}), bias})}));
  expect_native_equals_reference(m.module, {{3, 5, 7}}, 0);
}

TEST(Compile, MatMulOfEverySmallSize) {
  for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13, 49}) {
    for (int64_t columns : {1, 7, 8, 16, 17, 40}) {
      ModelBuilder m;
      const auto x = m.input("x", {rows, 19});
      const auto product = m.add(Op::kMatMul, {x, m.parameter({19, columns})});
      m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {product, m.parameter({columns})})}));
      expect_native_equals_reference(m.module, {{rows, 19}});
    }
  }
}

TEST(Compile, MatMulOfABatchOfSingleRows) {
  for (const bool transposed : {false, true}) {
    ModelBuilder m;
    auto x = m.input("x", {9, 2, 8});
    if (transposed) x = m.add(Op::kTranspose, {x}, {{"perm", std::vector<int64_t>{1, 0, 2}}});
    const auto row = m.add(Op::kReshape, {x}, {{"dims", std::vector<ir::Dim>{18, 1, 8}}});
    m.output(m.add(Op::kMatMul, {row, m.parameter({8, 11})}));
    expect_native_equals_reference(m.module, {{9, 2, 8}});
  }
}

TEST(Compile, BatchedMatMulOfTwoInputs) {
  ModelBuilder m;
  const auto a = m.input("a", {2, 3, 5, 8}), b = m.input("b", {2, 3, 9, 8});
  const auto t = m.add(Op::kTranspose, {b}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  m.output(m.add(Op::kMatMul, {a, t}));
  expect_native_equals_reference(m.module, {{2, 3, 5, 8}, {2, 3, 9, 8}});
}

ir::Attrs conv_attrs(std::vector<int64_t> strides, std::vector<int64_t> pads,
                     std::vector<int64_t> dilations, int64_t groups) {
  return {{"strides", strides}, {"pads", pads}, {"dilations", dilations}, {"groups", groups}};
}

TEST(Compile, ConvChain) {
  ModelBuilder m;
  const auto x = m.input("x", {2, 3, 14, 15});
  const auto c1 = m.add(Op::kConv, {x, m.parameter({20, 3, 3, 3}), m.parameter({20})},
                        conv_attrs({2, 2}, {1, 1, 1, 1}, {1, 1}, 1));
  const auto r1 = m.add(Op::kRelu, {c1});
  const auto c2 = m.add(Op::kConv, {r1, m.parameter({20, 20, 3, 3}), m.parameter({20})},
                        conv_attrs({1, 1}, {2, 2, 2, 2}, {2, 2}, 1));
  const auto sum = m.add(Op::kRelu, {m.add(Op::kAdd, {c2, r1})});
  const auto c3 = m.add(Op::kConv, {sum, m.parameter({9, 20, 1, 1}), ir::ValueId()},
                        conv_attrs({1, 1}, {0, 0, 0, 0}, {1, 1}, 1));
  m.output(c3);
  expect_native_equals_reference(m.module, {{2, 3, 14, 15}});
}

TEST(Compile, ConcatenationsNeedNoKernels) {
  ModelBuilder m;
  const auto x = m.input("x", {1, 8, 6, 6});
  auto grow = [&](ir::ValueId v, int64_t from, int64_t to) {
    return m.add(Op::kConv, {v, m.parameter({to, from, 3, 3}), ir::ValueId()},
                 conv_attrs({1, 1}, {1, 1, 1, 1}, {1, 1}, 1));
  };
  const auto a = grow(x, 8, 8), b = grow(a, 8, 4);
  const auto ab = m.add(Op::kConcat, {a, b}, {{"axis", int64_t{1}}});
  const auto c = grow(ab, 12, 4);
  const auto abc = m.add(Op::kConcat, {a, b, c}, {{"axis", int64_t{1}}});
  m.output(m.add(Op::kRelu, {abc}));
  expect_native_equals_reference(m.module, {{1, 8, 6, 6}});
}

TEST(Compile, PartsOfAConcatenationThatAreViewsAreCopied) {
  ModelBuilder m;
  const auto x = m.input("x", {1, 4, 6, 6});
  auto pointwise = [&](ir::ValueId v) {
    return m.add(Op::kConv, {v, m.parameter({4, 4, 1, 1}), ir::ValueId()},
                 conv_attrs({1, 1}, {0, 0, 0, 0}, {1, 1}, 1));
  };
  const auto first = pointwise(x);
  const auto part = m.add(Op::kSlice, {first},
                          {{"starts", std::vector<ir::Dim>{0, 2, 0, 0}},
                           {"steps", std::vector<int64_t>{1, 1, 1, 1}},
                           {"dims", std::vector<ir::Dim>{1, 2, 6, 6}}});
  const auto joined = m.add(Op::kConcat, {part, pointwise(first)}, {{"axis", int64_t{1}}});
  m.output(m.add(Op::kRelu, {joined}));
  expect_native_equals_reference(m.module, {{1, 4, 6, 6}});
}

TEST(Compile, ViewsOfEveryKind) {
  ModelBuilder m;
  const auto x = m.input("x", {2, 6, 4, 5});
  const auto doubled = m.add(Op::kMul, {x, m.scalar(2)});
  const auto split =
      m.add(Op::kReshape, {doubled}, {{"dims", std::vector<ir::Dim>{2, 2, 3, 4, 5}}});
  const auto shuffled =
      m.add(Op::kTranspose, {split}, {{"perm", std::vector<int64_t>{0, 2, 1, 3, 4}}});
  const auto merged = m.add(Op::kReshape, {shuffled}, {{"dims", std::vector<ir::Dim>{2, 6, 4, 5}}});
  const auto flipped = m.add(Op::kSlice, {merged},
                             {{"starts", std::vector<ir::Dim>{0, 1, 3, 0}},
                              {"steps", std::vector<int64_t>{1, 2, -1, 1}},
                              {"dims", std::vector<ir::Dim>{2, 2, 3, 5}}});
  m.output(flipped);
  m.output(m.add(Op::kExp, {flipped}));
  expect_native_equals_reference(m.module, {{2, 6, 4, 5}}, 1e-6);
}

TEST(Compile, SymbolicBatchServesAllSizes) {
  ModelBuilder m;
  const ir::Dim batch = m.module.dims.symbol("batch");
  const auto x = m.input("x", {batch, 3, 8, 8});
  const auto c = m.add(Op::kConv, {x, m.parameter({8, 3, 3, 3}), m.parameter({8})},
                       conv_attrs({1, 1}, {1, 1, 1, 1}, {1, 1}, 1));
  const auto pooled =
      m.add(Op::kReduce, {m.add(Op::kRelu, {c})},
            {{"kind", std::string("mean")}, {"axes", std::vector<int64_t>{2, 3}}, {"keep", false}});
  m.output(m.add(Op::kMatMul, {pooled, m.parameter({8, 10})}));
  for (int64_t size : {1, 2, 5}) expect_native_equals_reference(m.module, {{size, 3, 8, 8}});
}

}  // namespace
}  // namespace tenon
