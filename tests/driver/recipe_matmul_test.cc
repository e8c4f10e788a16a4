// The matrix product's loops against reference evaluation, where blocking has something to decide.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Op;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;

void expect_matmul(int64_t rows, int64_t depth, int64_t columns) {
  SCOPED_TRACE(::testing::PrintToString(std::vector{rows, depth, columns}));
  ModelBuilder m;
  const auto x = m.input("x", {rows, depth});
  const auto y = m.add(Op::kMatMul, {x, m.parameter({depth, columns})});
  m.output(m.add(Op::kRelu, {m.add(Op::kAdd, {y, m.parameter({columns})})}));
  expect_native_equals_reference(m.module, {{rows, depth}});
}

TEST(MatMulRecipe, TilesOfEveryShape) {
  expect_matmul(1, 19, 100);
  expect_matmul(2, 19, 33);
  expect_matmul(7, 19, 7);
  expect_matmul(11, 19, 24);
  expect_matmul(49, 19, 100);
}

TEST(MatMulRecipe, FewAccumulatorsAreJoinedByMore) {
  for (int64_t depth : {7, 8, 16, 63, 64, 67}) expect_matmul(1, depth, 15);
  expect_matmul(2, 45, 16);
  expect_matmul(1, 1000, 70);
}

TEST(DotRecipe, FewColumnsOfEveryNumber) {
  for (int64_t columns : {1, 2, 3, 6, 9, 10, 12}) expect_matmul(1, 200, columns);
  for (int64_t depth : {64, 67, 255, 256, 301}) expect_matmul(1, depth, 3);
}

TEST(MatMulRecipe, ManyRowsPassInBlocks) { expect_matmul(601, 1024, 330); }

TEST(MatMulRecipe, LongReductionsAreDoneInParts) {
  expect_matmul(31, 4096, 40);
  expect_matmul(31, 4099, 40);  // no parts of equal size
  expect_matmul(2, 4096, 40);
}

}  // namespace
}  // namespace tenon
