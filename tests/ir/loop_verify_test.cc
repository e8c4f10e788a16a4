#include <gtest/gtest.h>

#include "base/result.h"
#include "ir/loop_text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

constexpr std::string_view kText =
    R"(func f(n; in x: f32, out y: f32, scratch t: f32[64]) tasks n as task {
  let a: i64 = task * 8
  reg acc: f32x8 = 0.0
  for i = 0 to n {
    let m: boolx8 = ramp(i, 1, 8) < 100
    let r: f32x8 = shuffle(acc, acc, [7, 6, 5, 4, 3, 2, 1, 0])
    acc = fma(load x[a + i]:8 mask(m), broadcast(load x[i], 8), select(m, acc, r))
  }
  if a < n {
    store y[a] = extract(acc, 2) + reduce_add(acc)
  }
  let g: f32x8 = gather x[ramp(a, 1, 8)]
  check a < n code 1
}
)";

struct Verify : testing::Test {
  Function f = *parse_function(kText);

  Expr& find(ExprKind kind) {
    for (Expr& e : f.exprs) {
      if (e.kind == kind) return e;
    }
    throw InternalError("no such expression");
  }
  Statement& find(StatementKind kind) {
    for (Statement& s : f.statements) {
      if (s.kind == kind) return s;
    }
    throw InternalError("no such statement");
  }
  void expect(std::string_view message) {
    std::string wrong = verify(f);
    EXPECT_NE(wrong.find(message), std::string::npos) << wrong;
  }
};

TEST_F(Verify, AcceptsWhatIsWellFormed) { EXPECT_EQ(verify(f), ""); }

TEST_F(Verify, ExpressionsFollowTheirKinds) {
  struct {
    ExprKind kind;
    void (*damage)(Expr&);
    std::string_view message;
  } rows[] = {
      {ExprKind::kInteger, [](Expr& e) { e.type.dtype = DType::kFloat32; }, "of a float type"},
      {ExprKind::kInteger,
       [](Expr& e) {
         e.type.dtype = DType::kInt8;
         e.bits = 200;
       },
       "out of its dtype's range"},
      {ExprKind::kInteger, [](Expr& e) { e.type.lanes = 0; }, "has no lanes"},
      {ExprKind::kFloat, [](Expr& e) { e.type.dtype = DType::kInt64; }, "of an integer type"},
      {ExprKind::kFloat, [](Expr& e) { e.bits = 1; }, "is not a value of its dtype"},
      {ExprKind::kParam, [](Expr& e) { e.bits = 1; }, "names no parameter"},
      {ExprKind::kParam, [](Expr& e) { e.type.dtype = DType::kInt32; }, "so i64"},
      {ExprKind::kVariable, [](Expr& e) { e.bits = 99; }, "names no variable"},
      {ExprKind::kVariable, [](Expr& e) { e.type.lanes = 2; }, "another type than its variable"},
      {ExprKind::kMul, [](Expr& e) { e.b = {}; }, "lacks an operand"},
      {ExprKind::kMul, [](Expr& e) { e.c = e.a; }, "an operand too many"},
      {ExprKind::kMul, [](Expr& e) { e.a = ExprId(9999); }, "comes after it"},
      {ExprKind::kMul, [](Expr& e) { e.buffer = BufferId(0); }, "names a buffer wrongly"},
      {ExprKind::kMul, [](Expr& e) { e.type.lanes = 2; }, "operand of another type"},
      {ExprKind::kMul, [](Expr& e) { e.kind = ExprKind::kLt; }, "is bool"},
      {ExprKind::kMul,
       [](Expr& e) {
         e.kind = ExprKind::kExp;
         e.b = {};
       },
       "needs a dtype"},
      {ExprKind::kMul,
       [](Expr& e) {
         e.kind = ExprKind::kSqrt;
         e.b = {};
       },
       "needs a float"},
      {ExprKind::kLt, [](Expr& e) { e.kind = ExprKind::kShl; }, "operand of another type"},
      {ExprKind::kSelect, [](Expr& e) { std::swap(e.a, e.b); }, "needs a bool condition"},
      {ExprKind::kSelect, [](Expr& e) { e.type.dtype = DType::kFloat64; }, "another type"},
      {ExprKind::kRamp, [](Expr& e) { e.kind = ExprKind::kCast; }, "changes the lanes"},
      {ExprKind::kRamp, [](Expr& e) { e.kind = ExprKind::kBitcast; }, "changes the size"},
      {ExprKind::kLt,
       [](Expr& e) {
         e.kind = ExprKind::kBitcast;
         e.b = {};
       },
       "bitcast of bools"},
      {ExprKind::kBroadcast, [](Expr& e) { e.type.dtype = DType::kFloat64; }, "repeats a scalar"},
      {ExprKind::kRamp, [](Expr& e) { e.type.lanes = 1; }, "starts at a scalar"},
      {ExprKind::kExtract, [](Expr& e) { e.bits = 8; }, "a lane that the vector lacks"},
      {ExprKind::kExtract, [](Expr& e) { e.type.lanes = 2; }, "takes a scalar"},
      {ExprKind::kShuffle, [](Expr& e) { e.bits = 1; }, "names no lane list"},
      {ExprKind::kShuffle, [](Expr& e) { e.type.lanes = 4; }, "another length"},
      {ExprKind::kReduceAdd, [](Expr& e) { e.type.lanes = 8; }, "makes a number"},
      {ExprKind::kLoad, [](Expr& e) { e.type.dtype = DType::kFloat16; }, "another dtype than its"},
      {ExprKind::kLoad, [](Expr& e) { e.buffer = BufferId(7); }, "names no buffer"},
      {ExprKind::kLoad, [](Expr& e) { e.b = e.a; }, "a mask that is not bool"},
      {ExprKind::kGather, [](Expr& e) { e.type.lanes = 4; }, "other lanes than its indices"},
      {ExprKind::kGather, [](Expr& e) { e.kind = ExprKind::kLoad; }, "not an i64 scalar"},
  };
  for (auto& row : rows) {
    f = *parse_function(kText);
    row.damage(find(row.kind));
    expect(row.message);
  }
  f = *parse_function(kText);
  f.shuffles[0][0] = 16;
  expect("takes a lane too high");
}

TEST_F(Verify, StatementsFollowTheirKinds) {
  struct {
    StatementKind kind;
    void (*damage)(Function&, Statement&);
    std::string_view message;
  } rows[] = {
      {StatementKind::kLet,
       [](Function& f, Statement& s) {
         s.value = f.task_count;
         s.variable = VariableId(2);
       },
       "the value is i64, not f32x8"},
      {StatementKind::kLet, [](Function& f, Statement& s) { s.variable = f.task; },
       "declared twice"},
      {StatementKind::kLet, [](Function&, Statement& s) { s.variable = {}; }, "names no variable"},
      {StatementKind::kLet, [](Function&, Statement& s) { s.value = {}; }, "is no expression"},
      {StatementKind::kAssign, [](Function& f, Statement& s) { s.variable = f.task; },
       "no register"},
      {StatementKind::kAssign, [](Function& f, Statement& s) { s.value = f.task_count; },
       "not f32x8"},
      {StatementKind::kStore, [](Function&, Statement& s) { s.buffer = BufferId(0); },
       "stores to input"},
      {StatementKind::kStore, [](Function&, Statement& s) { s.buffer = {}; }, "names no buffer"},
      {StatementKind::kStore, [](Function&, Statement& s) { s.index = s.value; },
       "the index is f32"},
      {StatementKind::kStore, [](Function&, Statement& s) { s.value = s.index; }, "stores i64 to"},
      {StatementKind::kStore, [](Function&, Statement& s) { s.mask = s.index; }, "the mask is i64"},
      {StatementKind::kFor, [](Function&, Statement& s) { s.number = 0; },
       "step that is not positive"},
      {StatementKind::kFor, [](Function&, Statement& s) { s.body = BlockId(0); }, "used twice"},
      {StatementKind::kFor, [](Function&, Statement& s) { s.body = {}; }, "names no block"},
      {StatementKind::kIf, [](Function& f, Statement& s) { s.value = f.task_count; }, "not bool"},
      {StatementKind::kIf, [](Function&, Statement& s) { s.other = s.body; }, "used twice"},
      {StatementKind::kCheck, [](Function&, Statement& s) { s.number = 0; }, "no 32-bit status"},
      {StatementKind::kCheck, [](Function& f, Statement& s) { s.value = f.task_count; },
       "not bool"},
  };
  for (auto& row : rows) {
    f = *parse_function(kText);
    row.damage(f, find(row.kind));
    expect(row.message);
  }
}

TEST_F(Verify, VariablesAreReadInTheirScope) {
  // The loop's counter moves behind the loop: `check` takes over what its let reads.
  StatementId moved = f.block(find(StatementKind::kFor).body).statements[0];
  auto& inner = f.block(find(StatementKind::kFor).body).statements;
  inner.erase(inner.begin());
  f.block(f.body).statements.push_back(moved);
  expect("out of its scope");
}

TEST_F(Verify, TheSignatureIsComplete) {
  f.buffers[2].extent = {};
  expect("scratch t has no extent");
  f = *parse_function(kText);
  std::swap(f.buffers[1], f.buffers[2]);
  expect("argument y comes after scratch");
  f = *parse_function(kText);
  f.task_count = find(StatementKind::kLet).value;
  expect("out of its scope");
  f = *parse_function(kText);
  Expr index = {.kind = ExprKind::kInteger, .type = {DType::kInt64, 1}};
  f.buffers.insert(f.buffers.begin(), {"sizes", DType::kInt64, BufferKind::kInput, {}});
  for (Expr& e : f.exprs) {
    if (e.buffer) e.buffer = BufferId(e.buffer.index + 1);
  }
  for (Statement& s : f.statements) {
    if (s.buffer) s.buffer = BufferId(s.buffer.index + 1);
  }
  EXPECT_EQ(verify(f), "");
  f.task_count = f.intern({.kind = ExprKind::kLoad,
                           .type = {DType::kInt64, 1},
                           .a = f.intern(index),
                           .buffer = BufferId(0)});
  expect("the task count reads memory");
  std::swap(f.task_count, f.round_count);
  expect("the number of rounds reads memory");
}

TEST_F(Verify, EveryStatementHasOnePlace) {
  f.block(f.body).statements.pop_back();
  expect("is in no block");
  f = *parse_function(kText);
  f.block(f.body).statements.push_back(f.block(f.body).statements[0]);
  expect("is used twice");
}

}  // namespace
}  // namespace tenon::ir
