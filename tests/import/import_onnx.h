// Imports models that tests write, and runs them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "import/onnx.h"
#include "ir/verify.h"
#include "testing/evaluate.h"
#include "testing/onnx_writer.h"
#include "testing/run_module.h"

namespace tenon::testing {

inline Result<ir::Module> try_import(const std::string& model,
                                     const import::ImportOptions& options = {}) {
  const auto memory = std::make_shared<std::string>(model);
  return import::import_onnx(std::as_bytes(std::span(*memory)), memory, ".", options);
}

/// The module, which is well formed; throws when the import fails.
inline ir::Module import_model(const std::string& model,
                               const import::ImportOptions& options = {}) {
  Result<ir::Module> module = try_import(model, options);
  if (!module) throw std::runtime_error(module.error().text());
  EXPECT_EQ(ir::verify(*module), "");
  return *std::move(module);
}

/// The error of an import that must fail.
inline Error import_error(const std::string& model, const import::ImportOptions& options = {}) {
  const Result<ir::Module> module = try_import(model, options);
  if (module) {
    ADD_FAILURE() << "the import did not fail";
    return {ErrorKind::kInternal, {{"none"}}};
  }
  return module.error();
}

/// How many nodes with this operator are alive.
inline int count_of(const ir::Module& module, ir::Op op) {
  int count = 0;
  for (ir::NodeId node : module.graph.nodes) count += module.node(node).op == op ? 1 : 0;
  return count;
}

/// The type of output `i` as text.
inline std::string output_type(const ir::Module& module, size_t i = 0) {
  return ir::to_string(module.dims, module.value(module.graph.outputs.at(i)).type);
}

/// What one node computes from these tensors. Operands in `constants` are initializers, the others
/// inputs of the model; "" leaves one out.
struct OneNode {
  OnnxNode node;
  int64_t opset = 18;
  std::vector<std::string> constants = {};

  std::vector<ops::Tensor> run(const std::vector<ops::Tensor>& tensors) const {
    OnnxGraph graph;
    std::vector<ops::Tensor> inputs;
    size_t next = 0;
    for (const std::string& name : node.inputs) {
      if (name.empty()) continue;
      const ops::Tensor& tensor = tensors.at(next++);
      const int32_t type = onnx_type(tensor.dtype());
      if (std::ranges::find(constants, name) != constants.end()) {
        std::vector<char> raw(tensor.byte_count());
        std::memcpy(raw.data(), tensor.bytes(), raw.size());
        graph.initializer(onnx_tensor(name, type, tensor.shape(), raw));
      } else {
        std::vector<OnnxDim> dims(tensor.shape().begin(), tensor.shape().end());
        graph.input(name, dims, type);
        inputs.push_back(tensor);
      }
    }
    graph.node(node);
    for (const std::string& name : node.outputs) {
      if (!name.empty()) graph.output(name);
    }
    return ModuleRunner(import_model(onnx_model(graph, opset))).run(inputs);
  }

  static int32_t onnx_type(ir::DType dtype) {
    switch (dtype) {
      case ir::DType::kFloat32: return kOnnxFloat;
      case ir::DType::kFloat64: return kOnnxDouble;
      case ir::DType::kInt64: return kOnnxInt64;
      case ir::DType::kInt32: return kOnnxInt32;
      case ir::DType::kInt8: return kOnnxInt8;
      case ir::DType::kUInt8: return kOnnxUInt8;
      case ir::DType::kBool: return kOnnxBool;
      default: throw std::runtime_error("a dtype that no test needed yet");
    }
  }
};

}  // namespace tenon::testing
