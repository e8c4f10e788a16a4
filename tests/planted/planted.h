// Bugs put into a model on its way through the pipeline, and what the checks of the small models
// make of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "testing/models.h"

namespace tenon::testing {

/// Two convolutions and a product, with edges of tiles in rows and columns, and what they give.
class Subject {
 public:
  /// `whole`: else the first convolution alone, without zeros below its input: a strip of the last
  /// row would do as well without the tap that reads them.
  explicit Subject(bool whole = true) {
    ModelBuilder m;
    const int64_t below = whole ? 1 : 0, height = 10 - below;
    const auto x = m.input("x", {1, 5, height, 7});
    auto conv = [&](ir::ValueId value, int64_t from, int64_t to) {
      return m.add(ir::Op::kConv, {value, m.parameter({to, from, 3, 3}), m.parameter({to})},
                   {{"strides", std::vector<int64_t>{1, 1}},
                    {"pads", std::vector<int64_t>{1, 1, below, 1}},
                    {"dilations", std::vector<int64_t>{1, 1}},
                    {"groups", int64_t{1}}});
    };
    const auto first = conv(x, 5, 19);
    if (whole) {
      const auto bounded = m.add(ir::Op::kTanh, {first});
      const auto second = m.add(ir::Op::kAdd, {conv(bounded, 19, 19), bounded});
      const auto rows = m.add(ir::Op::kReshape, {second}, {{"dims", std::vector<ir::Dim>{171, 7}}});
      m.output(m.add(ir::Op::kMatMul, {rows, m.parameter({7, 21})}));
    } else {
      m.output(first);
    }
    module = m.module;
    inputs = {ModelBuilder::random(ir::DType::kFloat32, {1, 5, height, 7})};
    expected = *interp::run(module, inputs);
  }

  ir::Module module;
  std::vector<ops::Tensor> inputs, expected;
};

/// Compiles, with `plant(state)` run after a step.
template <class Plant>
driver::Artifact compile_with(const ir::Module& module, std::string_view after, Plant plant,
                              bool checked = false) {
  driver::CompileOptions options;
  options.checked = checked;
  driver::State state{
      .module = module, .target = value_or_throw(find_target("native")), .options = options};
  value_or_throw(driver::run_pipeline(state, driver::kImport, after));
  plant(state);
  value_or_throw(driver::run_pipeline(state, after));
  return state.artifact;
}

/// What a poisoned run of a module shows; empty when it agrees with the interpreter.
inline std::string finding(const tenon_module& module, const Subject& subject) {
  try {
    const auto outputs = run_module(module, subject.inputs, {.threads = 1, .poisoned = true});
    return difference(outputs[0], subject.expected[0]) > 1e-5 ? "outputs differ" : "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

inline std::string finding(const driver::Artifact& artifact, const Subject& subject) {
  return finding(*LoadedArtifact(artifact).module(), subject);
}

}  // namespace tenon::testing
