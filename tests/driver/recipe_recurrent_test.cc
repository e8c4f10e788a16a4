// The recurrent recipes against reference evaluation: every layer, odd sizes, batches, directions.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

struct Case {
  Op op;
  int64_t steps, batch, inputs, hidden;
  bool bias, initial;
  ir::Attrs attrs;
};

void expect_layer(Case c) {
  SCOPED_TRACE(std::string(ir::info(c.op).name) + " of " + std::to_string(c.hidden));
  ModelBuilder m;
  const int64_t gates = c.op == Op::kLstm ? 4 : c.op == Op::kGru ? 3 : 1;
  const auto x = m.input("x", {c.steps, c.batch, c.inputs});
  std::vector<ir::ValueId> operands = {x, m.parameter({gates * c.hidden, c.inputs}, 0.3),
                                       m.parameter({gates * c.hidden, c.hidden}, 0.3)};
  operands.push_back(c.bias ? m.parameter({2 * gates * c.hidden}, 0.3) : ir::ValueId());
  if (c.initial) {
    for (int i = 0; i < (c.op == Op::kLstm ? 2 : 1); ++i)
      operands.push_back(m.parameter({c.batch, c.hidden}, 0.3));
  }
  operands.resize(c.op == Op::kLstm ? 6 : 5);
  c.attrs.set("hidden", c.hidden);
  if (!c.attrs.has("reverse")) c.attrs.set("reverse", false);
  const auto y = m.add(c.op, operands, c.attrs);
  m.output(y);
  for (const ir::ValueId result : std::vector(m.module.node(m.module.producer(y)).outputs)) {
    if (result != y) m.output(result);
  }
  expect_native_equals_reference(m.module, {{c.steps, c.batch, c.inputs}}, 2e-5);
}

TEST(RecurrentRecipe, Lstm) {
  expect_layer({Op::kLstm, 5, 1, 7, 32, true, true, {}});
  expect_layer({Op::kLstm, 4, 2, 9, 20, true, true, {}});
  expect_layer({Op::kLstm, 3, 3, 4, 5, true, false, {{"reverse", true}}});
  expect_layer({Op::kLstm, 2, 5, 4, 17, false, false, {}});
  expect_layer({Op::kLstm, 1, 1, 1, 1, true, true, {}});
  expect_layer({Op::kLstm, 3, 8, 4, 40, true, true, {}});
  expect_layer({Op::kLstm, 2, 6, 4, 19, false, true, {}});
}

TEST(RecurrentRecipe, Gru) {
  for (bool linear : {true, false}) {
    const ir::Attrs attrs = {{"linear_before_reset", linear}};
    expect_layer({Op::kGru, 5, 1, 7, 40, true, true, attrs});
    expect_layer({Op::kGru, 4, 2, 7, 13, true, false, attrs});
    expect_layer({Op::kGru, 3, 3, 6, 6, false, true, attrs});
    expect_layer({Op::kGru, 3, 4, 6, 36, true, true, attrs});
  }
}

TEST(RecurrentRecipe, Rnn) {
  for (const char* activation : {"Tanh", "Relu"}) {
    const ir::Attrs attrs = {{"activation", std::string(activation)}};
    expect_layer({Op::kRnn, 5, 1, 7, 100, true, true, attrs});
    expect_layer({Op::kRnn, 4, 2, 7, 13, true, false, attrs});
    expect_layer({Op::kRnn, 3, 12, 7, 70, true, true, attrs});
  }
}

TEST(RecurrentRecipe, StepsAndBatchKnownWhenRun) {
  ModelBuilder m;
  const auto x = m.input("x", {m.module.dims.symbol("t"), m.module.dims.symbol("n"), 6});
  m.output(m.add(Op::kLstm, {x, m.parameter({44, 6}), m.parameter({44, 11}, 0.3), {}, {}, {}},
                 {{"hidden", int64_t{11}}, {"reverse", false}}));
  expect_native_equals_reference(m.module, {{4, 3, 6}}, 2e-5);
  expect_native_equals_reference(m.module, {{1, 1, 6}}, 2e-5);
}

}  // namespace
}  // namespace tenon
