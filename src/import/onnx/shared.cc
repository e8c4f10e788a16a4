#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;

Result<void> check_extents(const NodeContext& node, const std::vector<Dim>& dims) {
  std::vector<int64_t> extents;
  for (Dim dim : dims) {
    if (dim.is_constant()) extents.push_back(dim.value());
  }
  if (ir::checked_product(extents)) return {};
  return node.bad("dims that are negative or beyond any limit");
}

Result<void> along_axis(NodeContext& node,
                        const std::function<Emitter::Operand(Emitter::Operand, int64_t)>& body) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ir::ValueId x, node.input(0));
  const std::vector<Dim> dims = emitter.shape(x);
  const int64_t rank = emitter.rank(x);
  const bool flattens = node.opset() < 13;
  const int64_t given = node.integer("axis", flattens ? 1 : -1);
  if (rank == 0) return node.finish(emitter.reshape(body(emitter.reshape(x, {1}), 0), {}));
  if (flattens && given == rank) {
    std::vector<Dim> columns = dims;
    columns.emplace_back(1);
    return node.finish(emitter.reshape(body(emitter.reshape(x, columns), rank), dims));
  }
  TENON_TRY(int64_t axis, node.axis(given, rank));
  if (!flattens || axis == rank - 1) return node.finish(body(x, axis));
  std::vector<Dim> flat(dims.begin(), dims.begin() + axis);
  flat.push_back(emitter.dims().product(std::span(dims).subspan(static_cast<size_t>(axis))));
  return node.finish(emitter.reshape(body(emitter.reshape(x, flat), axis), dims));
}

}  // namespace tenon::import::onnx
