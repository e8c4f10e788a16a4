// Runs a module's graph by reference evaluation.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/op.h"

namespace tenon::testing {

/// Computes the graph's outputs; symbols of dims take their values from the inputs' shapes. Throws
/// when a node cannot be evaluated.
class ModuleRunner {
 public:
  explicit ModuleRunner(const ir::Module& module) : module_(module) {}

  std::vector<ops::Tensor> run(const std::vector<ops::Tensor>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) bind(module_.graph.inputs.at(i), inputs[i]);
    for (ir::NodeId node : module_.graph.nodes) evaluate(module_.node(node));
    std::vector<ops::Tensor> outputs;
    for (ir::ValueId output : module_.graph.outputs) outputs.push_back(tensors_.at(output.index));
    return outputs;
  }

 private:
  void bind(ir::ValueId input, const ops::Tensor& tensor) {
    const std::vector<ir::Dim>& dims = module_.value(input).type.dims;
    for (size_t i = 0; i < dims.size(); ++i) {
      const std::vector<std::string> symbols = module_.dims.symbols(dims[i]);
      if (symbols.size() == 1) symbols_.try_emplace(symbols[0], tensor.shape()[i]);
    }
    tensors_[input.index] = tensor;
  }

  std::vector<int64_t> numbers(const std::vector<ir::Dim>& dims) const {
    std::vector<int64_t> result;
    for (ir::Dim dim : dims) result.push_back(module_.dims.evaluate(dim, symbols_));
    return result;
  }

  void evaluate(const ir::Node& node) {
    if (ops::operator_of(node.op).traits.leaf) {
      const ir::Data& data = module_.data(node.attrs.data("data"));
      ops::Tensor tensor(data.type.dtype, numbers(data.type.dims));
      std::memcpy(tensor.bytes(), data.bytes.data(), data.bytes.size());
      tensors_[node.outputs[0].index] = tensor;
      return;
    }
    ir::Attrs attrs = node.attrs;
    for (const auto& [name, value] : node.attrs) {
      if (const auto* dims = std::get_if<std::vector<ir::Dim>>(&value)) {
        const std::vector<int64_t> values = numbers(*dims);
        attrs.set(name, std::vector<ir::Dim>(values.begin(), values.end()));
      }
    }
    std::vector<const ops::Tensor*> operands;
    for (ir::ValueId input : node.inputs) {
      operands.push_back(input ? &tensors_.at(input.index) : nullptr);
    }
    std::vector<ops::Tensor> results;
    for (ir::ValueId output : node.outputs) {
      const ir::TensorType& type = module_.value(output).type;
      results.emplace_back(type.dtype, numbers(type.dims));
    }
    std::vector<ops::Tensor*> targets;
    for (ops::Tensor& result : results) targets.push_back(&result);
    ops::EvaluateContext context{attrs, operands, targets};
    if (const ops::Evaluated done = ops::operator_of(node.op).evaluate(context); !done) {
      throw std::runtime_error(done.error());
    }
    for (size_t i = 0; i < results.size(); ++i) tensors_[node.outputs[i].index] = results[i];
  }

  const ir::Module& module_;
  std::map<uint32_t, ops::Tensor> tensors_;
  std::map<std::string, int64_t> symbols_;
};

}  // namespace tenon::testing
