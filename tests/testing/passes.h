// What a graph pass must not change, and what it should leave.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "ir/verify.h"
#include "testing/models.h"

namespace tenon::testing {

/// How many nodes the graph has of each operator, leaves aside: "add=1 conv=2".
inline std::string histogram(const ir::Module& module) {
  std::map<std::string, int> counts;
  for (ir::NodeId id : module.graph.nodes) {
    if (!module.node(id).inputs.empty()) ++counts[std::string(ir::info(module.node(id).op).name)];
  }
  std::string text;
  for (const auto& [name, count] : counts) {
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(count);
  }
  return text;
}

/// Runs `pass` and compares results on random inputs; the inputs' dims must be numbers.
template <class Pass>
void expect_same_results(ir::Module& module, Pass pass, double tolerance = 1e-5) {
  std::vector<ops::Tensor> inputs;
  for (ir::ValueId input : module.graph.inputs) {
    std::vector<int64_t> shape;
    for (ir::Dim dim : module.value(input).type.dims) shape.push_back(dim.value());
    inputs.push_back(ModelBuilder::random(module.value(input).type.dtype, std::move(shape)));
  }
  const auto expected = interp::run(module, inputs);
  ASSERT_TRUE(expected) << expected.error().text();
  pass(module);
  ASSERT_EQ(ir::verify(module), "");
  const auto got = interp::run(module, inputs);
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_EQ(got->size(), expected->size());
  for (size_t k = 0; k < got->size(); ++k) {
    EXPECT_EQ((*got)[k].shape(), (*expected)[k].shape());
    EXPECT_LE(difference((*got)[k], (*expected)[k]), tolerance) << ir::to_string(module);
  }
}

}  // namespace tenon::testing
