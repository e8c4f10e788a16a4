// Copies that turn memory: every way to cut them, against reference evaluation.
#include "testing/models.h"

namespace tenon {
namespace {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using testing::expect_native_equals_reference;
using testing::ModelBuilder;
using Integers = std::vector<int64_t>;

TEST(CopyRecipe, TransposesOfEverySize) {
  struct Case {
    Integers shape, perm;
  };
  const Case cases[] = {
      {{16, 16}, {1, 0}},
      {{37, 50}, {1, 0}},
      {{5, 100}, {1, 0}},
      {{100, 7}, {1, 0}},
      {{2, 61}, {1, 0}},
      {{3, 40}, {1, 0}},
      {{3, 20, 30}, {1, 2, 0}},
      {{2, 58, 9}, {2, 1, 0}},
      {{4, 33, 6, 20}, {3, 1, 0, 2}},
      {{2, 3, 17, 19}, {0, 2, 3, 1}},
      {{300, 300}, {1, 0}},
      {{2, 2, 2}, {2, 1, 0}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.shape));
    for (DType dtype : {DType::kFloat32, DType::kInt32, DType::kFloat64}) {
      ModelBuilder m;
      const ValueId x = m.input("x", {c.shape.begin(), c.shape.end()}, dtype);
      m.output(m.add(Op::kTranspose, {x}, {{"perm", c.perm}}));
      expect_native_equals_reference(m.module, {c.shape}, 0);
    }
  }
}

// ShuffleNet's unit: the halves of shuffled channels go different ways.
TEST(CopyRecipe, ShuffledChannels) {
  ModelBuilder m;
  const int64_t channels = 24, half = channels / 2;
  ValueId x = m.input("x", {1, channels, 7, 6});
  for (int unit = 0; unit < 2; ++unit) {
    const auto part = [&](int64_t first) {
      return m.add(Op::kSlice, {x},
                   {{"starts", std::vector<Dim>{0, first, 0, 0}},
                    {"dims", std::vector<Dim>{1, half, 7, 6}},
                    {"steps", Integers{1, 1, 1, 1}}});
    };
    const ValueId kept = part(0);
    const ValueId made = m.add(Op::kConv, {part(half), m.parameter({half, half, 1, 1}, 0.3)},
                               {{"strides", Integers{1, 1}},
                                {"pads", Integers{0, 0, 0, 0}},
                                {"dilations", Integers{1, 1}},
                                {"groups", int64_t{1}}});
    const ValueId both = m.add(Op::kConcat, {kept, made}, {{"axis", int64_t{1}}});
    const ValueId split =
        m.add(Op::kReshape, {both}, {{"dims", std::vector<Dim>{1, 2, half, 7, 6}}});
    const ValueId turned = m.add(Op::kTranspose, {split}, {{"perm", Integers{0, 2, 1, 3, 4}}});
    x = m.add(Op::kReshape, {turned}, {{"dims", std::vector<Dim>{1, channels, 7, 6}}});
  }
  m.output(x);
  expect_native_equals_reference(m.module, {{1, channels, 7, 6}});
}

}  // namespace
}  // namespace tenon
