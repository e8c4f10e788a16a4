#include "import/tensor_bytes.h"

namespace tenon::import {
namespace {

/// Tensors of floats with at most this many elements are constants, not parameters.
constexpr int64_t kConstantElements = 16;

}  // namespace

ir::ValueId add_tensor(Emitter& emitter, const TensorBytes& bytes, const std::string& name) {
  ir::Module& module = emitter.module();
  const ir::TensorType& type = bytes.type;
  const bool is_constant = !is_float(type.dtype) || type.element_count() <= kConstantElements;
  // Constants are few bytes that the compiler itself reads: aligned, and bools as 0 or 1.
  std::vector<std::byte> copy = bytes.owned;
  if (is_constant && copy.empty()) copy.assign(bytes.bytes.begin(), bytes.bytes.end());
  if (type.dtype == ir::DType::kBool) {
    for (std::byte& one : copy) one = one == std::byte{0} ? std::byte{0} : std::byte{1};
  }
  const ir::DataId data = copy.empty() ? module.add_data({type, bytes.bytes, name})
                                       : module.add_owned_data(type, copy, name);
  const ir::Op op = is_constant ? ir::Op::kConstant : ir::Op::kParameter;
  const ir::NodeId node = module.make_node(op, {}, {{"data", data}}, {type}, emitter.origin());
  module.graph.nodes.push_back(node);
  return module.node(node).outputs.front();
}

}  // namespace tenon::import
