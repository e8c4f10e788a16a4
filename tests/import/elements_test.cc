#include "import/elements.h"

#include <gtest/gtest.h>

namespace tenon::import {
namespace {

using ir::Dim;
using ir::DType;
using ir::Op;

class Elements : public ::testing::Test {
 protected:
  KnownTensor vector(std::vector<Dim> elements) {
    return {{DType::kInt64, {static_cast<int64_t>(elements.size())}}, elements};
  }
  std::optional<std::vector<Dim>> result(Op op, std::vector<KnownTensor> operands, int64_t count,
                                         const ir::Attrs& attrs = {}, DType dtype = DType::kInt64) {
    return known_result(dims_, op, attrs, operands, {dtype, {count}});
  }

  ir::Dims dims_;
  Dim n_ = dims_.symbol("n");
};

TEST_F(Elements, SizesAreAtLeastOne) {
  EXPECT_TRUE(at_least(dims_, n_, 1));
  EXPECT_FALSE(at_least(dims_, n_, 2));
  EXPECT_TRUE(at_least(dims_, dims_.mul(n_, 3), 3));
  EXPECT_EQ(smaller(dims_, n_, 1), Dim(1));
  EXPECT_EQ(larger(dims_, dims_.sub(n_, 1), 0), dims_.sub(n_, 1));
  EXPECT_EQ(smaller(dims_, n_, 2), dims_.min(n_, 2)) << "not known";
  EXPECT_TRUE(at_least(dims_, n_, dims_.floor_div(n_, 2)));
  EXPECT_FALSE(at_least(dims_, dims_.floor_div(n_, 2), n_));
}

TEST_F(Elements, ArithmeticBroadcasts) {
  EXPECT_EQ(result(Op::kMul, {vector({n_, 3}), vector({2})}, 2),
            (std::vector<Dim>{dims_.mul(n_, 2), 6}));
  EXPECT_EQ(result(Op::kFloorDiv, {vector({n_}), vector({2})}, 1),
            (std::vector<Dim>{dims_.floor_div(n_, 2)}));
  EXPECT_EQ(result(Op::kSub, {vector({n_}), vector({n_})}, 1), std::vector<Dim>{0});
}

TEST_F(Elements, DivisionOfIntegersIsLeftAloneWhereItMightTruncateUpwards) {
  EXPECT_EQ(result(Op::kDiv, {vector({dims_.sub(n_, 5)}), vector({2})}, 1), std::nullopt);
  EXPECT_EQ(result(Op::kDiv, {vector({n_}), vector({0})}, 1), std::nullopt);
}

TEST_F(Elements, ComparisonsAreKnownOrNot) {
  EXPECT_EQ(result(Op::kEqual, {vector({n_, 4, 4}), vector({-1, 4, 5})}, 3, {}, DType::kBool),
            (std::vector<Dim>{0, 1, 0}));
  EXPECT_EQ(result(Op::kEqual, {vector({n_}), vector({4})}, 1, {}, DType::kBool), std::nullopt);
  EXPECT_EQ(result(Op::kWhere, {vector({0, 1}), vector({7, 8}), vector({n_, n_})}, 2),
            (std::vector<Dim>{n_, 8}));
}

TEST_F(Elements, PartsAreTaken) {
  const KnownTensor x = vector({n_, 3, 4});
  EXPECT_EQ(result(Op::kGather, {x, vector({-1, 0})}, 2, {{"axis", int64_t{0}}}),
            (std::vector<Dim>{4, n_}));
  EXPECT_EQ(result(Op::kGather, {x, vector({3})}, 1, {{"axis", int64_t{0}}}), std::nullopt);
  EXPECT_EQ(result(Op::kSlice, {x}, 2,
                   {{"starts", std::vector<Dim>{2}}, {"steps", std::vector<int64_t>{-2}}}),
            (std::vector<Dim>{4, n_}));
  EXPECT_EQ(result(Op::kConcat, {x, vector({5})}, 4), (std::vector<Dim>{n_, 3, 4, 5}));
  EXPECT_EQ(result(Op::kReduce, {x}, 1, {{"kind", std::string("prod")}}),
            (std::vector<Dim>{dims_.mul(n_, 12)}));
}

TEST_F(Elements, NumbersThatMightOverflowAreLeftAlone) {
  EXPECT_EQ(result(Op::kMul, {vector({n_}), vector({int64_t{1} << 40})}, 1), std::nullopt);
}

}  // namespace
}  // namespace tenon::import
