// Small graphs for tests, and their comparison: native code against the interpreter.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "interp/graph.h"
#include "ops/op.h"
#include "testing/compile.h"
#include "testing/run_artifact.h"

namespace tenon::testing {

/// Builds a module node by node; a shape error fails the test.
class ModelBuilder {
 public:
  ir::ValueId input(std::string name, std::vector<ir::Dim> dims,
                    ir::DType dtype = ir::DType::kFloat32) {
    return module.add_input({dtype, std::move(dims)}, std::move(name));
  }
  ir::ValueId parameter(std::vector<int64_t> shape, double scale = 1.0) {
    ops::Tensor tensor = random(ir::DType::kFloat32, std::move(shape), scale);
    std::vector<ir::Dim> dims(tensor.shape().begin(), tensor.shape().end());
    const ir::DataId data = module.add_owned_data({tensor.dtype(), std::move(dims)},
                                                  {tensor.bytes(), tensor.byte_count()}, "p");
    return add(ir::Op::kParameter, {}, {{"data", data}});
  }
  ir::ValueId scalar(float value) {
    return ops::add_constant(module, ops::Tensor::of<float>(ir::DType::kFloat32, {}, {value}),
                             origin());
  }
  ir::ValueId add(ir::Op op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    Result<ir::NodeId> node =
        ops::add_node(module, op, std::move(inputs), std::move(attrs), origin());
    if (!node) {
      ADD_FAILURE() << node.error().text();
      throw std::runtime_error("shape error");
    }
    return module.node(*node).outputs[0];
  }
  void output(ir::ValueId value) {
    module.graph.outputs.push_back(value);
    module.graph.output_names.push_back("y" + std::to_string(module.graph.outputs.size()));
  }

  static ops::Tensor random(ir::DType dtype, std::vector<int64_t> shape, double scale = 1.0) {
    static std::mt19937 generator(7);
    ops::Tensor tensor(dtype, std::move(shape));
    std::normal_distribution<double> normal(0, scale);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_number(i, normal(generator));
    return tensor;
  }

  ir::Module module;

 private:
  ir::OriginId origin() {
    return module.add_origin({"n" + std::to_string(module.node_count()), ""});
  }
};

/// The largest difference relative to the largest expected value.
inline double difference(const ops::Tensor& got, const ops::Tensor& expected) {
  double worst = 0, largest = 1e-30;
  for (int64_t i = 0; i < expected.count(); ++i) {
    largest = std::max(largest, std::abs(expected.number(i)));
    const double d = std::abs(got.number(i) - expected.number(i));
    worst = std::max(worst, std::isnan(d) ? INFINITY : d);
  }
  return worst / largest;
}

inline bool same_bits(const ops::Tensor& a, const ops::Tensor& b) {
  return a.byte_count() == b.byte_count() && std::memcmp(a.bytes(), b.bytes(), a.byte_count()) == 0;
}

/// Runs with one thread and with two, which must give the same bits, and compares.
inline void expect_outputs(const driver::Artifact& artifact, std::span<const ops::Tensor> inputs,
                           std::span<const ops::Tensor> expected, double tolerance, bool poisoned) {
  const auto got = run_artifact(artifact, inputs, {.threads = 1, .poisoned = poisoned});
  const auto again = run_artifact(artifact, inputs, {.threads = 2, .poisoned = poisoned});
  ASSERT_EQ(got.size(), expected.size());
  for (size_t k = 0; k < got.size(); ++k) {
    EXPECT_EQ(got[k].shape(), expected[k].shape());
    EXPECT_EQ(got[k].dtype(), expected[k].dtype());
    EXPECT_LE(difference(got[k], expected[k]), tolerance) << "output " << k;
    EXPECT_TRUE(same_bits(got[k], again[k])) << "output " << k << " depends on threads";
  }
}

/// Compares native code in every configuration with the interpreter, on random inputs of these
/// shapes.
inline void expect_native_equals_reference(const ir::Module& module,
                                           std::vector<std::vector<int64_t>> shapes,
                                           double tolerance = 1e-5) {
  std::vector<ops::Tensor> inputs;
  for (size_t k = 0; k < shapes.size(); ++k) {
    inputs.push_back(
        ModelBuilder::random(module.value(module.graph.inputs[k]).type.dtype, shapes[k]));
  }
  const Result<std::vector<ops::Tensor>> expected = interp::run(module, inputs);
  ASSERT_TRUE(expected) << expected.error().text();
  for (const Configuration& configuration : configurations()) {
    SCOPED_TRACE("configuration: " + configuration.name);
    try {
      const driver::Artifact artifact = compile(module, configuration);
      expect_outputs(artifact, inputs, *expected, tolerance, configuration.poisoned);
    } catch (const std::runtime_error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

}  // namespace tenon::testing
