#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;
using testing::floats;
using testing::random_tensor;

using Shape = std::vector<int64_t>;

ir::Attrs attrs(bool causal, bool guarded = true) {
  return {{"scale", 0.25}, {"causal", causal}, {"guarded", guarded}};
}

/// The definition, query by query in double.
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor* mask, bool causal) {
  const int64_t heads = q.shape()[1], queries = q.shape()[2], features = q.shape()[3];
  const int64_t groups = k.shape()[1], keys = k.shape()[2], values = v.shape()[3];
  return testing::generate(q.dtype(), {q.shape()[0], heads, queries, values}, [&](int64_t i) {
    const int64_t e = i % values, s = i / values % queries;
    const int64_t head = i / (values * queries) % heads, batch = i / (values * queries * heads);
    const int64_t group = batch * groups + head / (heads / groups);
    double sum = 0, weighted = 0;
    for (int64_t t = 0; t < keys; ++t) {
      if (causal && t > s + keys - queries) continue;
      double score = 0;
      for (int64_t d = 0; d < features; ++d) {
        score += q.number(((batch * heads + head) * queries + s) * features + d) *
                 k.number((group * keys + t) * features + d);
      }
      score *= 0.25;
      if (mask) {
        int64_t at = 0;
        const int64_t index[] = {batch, head, s, t};
        for (int64_t axis = 0; axis < mask->rank(); ++axis) {
          const int64_t size = mask->shape()[axis];
          at = at * size + (size == 1 ? 0 : index[4 - mask->rank() + axis]);
        }
        if (mask->dtype() != DType::kBool) {
          score += mask->number(at);
        } else if (mask->number(at) == 0) {
          continue;
        }
      }
      sum += std::exp(score);
      weighted += std::exp(score) * v.number((group * keys + t) * values + e);
    }
    return sum == 0 ? 0 : weighted / sum;
  });
}

TEST(Attention, ShapesMasksAndDTypes) {
  struct Case {
    Shape q, k, v, mask;
    DType mask_dtype = DType::kBool;
    bool causal = false;
  };
  const Case cases[] = {
      {.q = {1, 1, 3, 4}, .k = {1, 1, 3, 4}, .v = {1, 1, 3, 4}, .mask = {}},
      {.q = {2, 4, 3, 5}, .k = {2, 2, 6, 5}, .v = {2, 2, 6, 7}, .mask = {}},
      {.q = {1, 2, 4, 4}, .k = {1, 2, 4, 4}, .v = {1, 2, 4, 3}, .mask = {}, .causal = true},
      {.q = {1, 2, 2, 4}, .k = {1, 1, 5, 4}, .v = {1, 1, 5, 4}, .mask = {}, .causal = true},
      {.q = {1, 1, 5, 4}, .k = {1, 1, 2, 4}, .v = {1, 1, 2, 4}, .mask = {}, .causal = true},
      {.q = {2, 2, 3, 4}, .k = {2, 2, 4, 4}, .v = {2, 2, 4, 4}, .mask = {2, 1, 3, 4}},
      {.q = {2, 2, 3, 4}, .k = {2, 2, 4, 4}, .v = {2, 2, 4, 4}, .mask = {3, 4}, .causal = true},
      {.q = {2, 2, 3, 4},
       .k = {2, 2, 4, 4},
       .v = {2, 2, 4, 4},
       .mask = {1, 2, 1, 4},
       .mask_dtype = DType::kFloat32},
  };
  for (const auto& [dtype, tolerance] : {std::pair{DType::kFloat32, 1e-5},
                                         {DType::kFloat64, 1e-12},
                                         {DType::kFloat16, 1e-2},
                                         {DType::kBFloat16, 5e-2}}) {
    for (const Case& c : cases) {
      const Tensor q = random_tensor(dtype, c.q, 1), k = random_tensor(dtype, c.k, 2);
      const Tensor v = random_tensor(dtype, c.v, 3);
      const DType mask_dtype = c.mask_dtype == DType::kBool ? DType::kBool : dtype;
      const Tensor mask = random_tensor(mask_dtype, c.mask, 4);
      std::vector<Tensor> operands = {q, k, v};
      if (!c.mask.empty()) operands.push_back(mask);
      check(Op::kAttention, operands, attrs(c.causal),
            {attend(q, k, v, c.mask.empty() ? nullptr : &mask, c.causal)}, tolerance);
    }
  }
}

TEST(Attention, WithoutAnyKeyTheResultIsZeroOrNaN) {
  const Tensor q = floats({1, 1, 2, 1}, {1, 1}), v = floats({1, 1, 2, 1}, {3, 5});
  check(Op::kAttention, {q, q, v, testing::tensor(DType::kBool, {2, 2}, {0, 0, 1, 0})},
        attrs(false), {floats({1, 1, 2, 1}, {0, 3})});
  check(Op::kAttention, {q, q, v, floats({2, 2}, {-INFINITY, -INFINITY, -INFINITY, 0})},
        attrs(false), {floats({1, 1, 2, 1}, {0, 5})});
  check(Op::kAttention, {q, q, v, floats({2, 2}, {-INFINITY, -INFINITY, -INFINITY, 0})},
        attrs(false, false), {floats({1, 1, 2, 1}, {NAN, 5})});
}

TEST(Attention, SaysWhatIsWrong) {
  const auto error = [](Shape q, Shape k, Shape v, Shape mask) {
    std::vector<Tensor> operands;
    for (const Shape& shape : {q, k, v, mask}) operands.emplace_back(DType::kFloat32, shape);
    return testing::error_of(Op::kAttention, operands, attrs(false));
  };
  EXPECT_EQ(error({1, 3, 2, 4}, {1, 2, 2, 4}, {1, 2, 2, 4}, {1}),
            "3 query heads do not share 2 key heads evenly");
  EXPECT_EQ(error({1, 1, 2, 4}, {1, 1, 2, 5}, {1, 1, 2, 5}, {1}),
            "queries, keys and values [1, 1, 2, 4], [1, 1, 2, 5] and [1, 1, 2, 5] do not belong "
            "together");
  EXPECT_EQ(error({1, 1, 2, 4}, {1, 1, 3, 4}, {1, 1, 3, 4}, {2, 4}),
            "mask [2, 4] does not broadcast to the scores [1, 1, 2, 3]");
}

}  // namespace
}  // namespace tenon
