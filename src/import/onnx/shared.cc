#include "import/onnx/shared.h"

#include <numeric>

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;

Result<void> check_extents(const NodeContext& node, const std::vector<Dim>& dims) {
  std::vector<int64_t> extents;
  for (Dim dim : dims) {
    if (dim.is_constant()) extents.push_back(dim.value());
  }
  if (ir::checked_product(extents)) return {};
  return node.bad("dims that are negative or beyond any limit");
}

std::vector<int64_t> axes_from(int64_t first, int64_t rank) {
  std::vector<int64_t> axes(static_cast<size_t>(std::max<int64_t>(rank - first, 0)));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
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
    columns.push_back(1);
    return node.finish(emitter.reshape(body(emitter.reshape(x, columns), rank), dims));
  }
  TENON_TRY(int64_t axis, node.axis(given, rank));
  if (!flattens || axis == rank - 1) return node.finish(body(x, axis));
  std::vector<Dim> flat(dims.begin(), dims.begin() + axis);
  flat.push_back(emitter.dims().product(std::span(dims).subspan(static_cast<size_t>(axis))));
  return node.finish(emitter.reshape(body(emitter.reshape(x, flat), axis), dims));
}

Emitter::Operand indices(Emitter& emitter, Dim size) {
  return emitter.emit(ir::Op::kRange,
                      {emitter.number(0, DType::kInt64), emitter.number(1, DType::kInt64)},
                      {{"size", std::vector<Dim>{size}}});
}

}  // namespace tenon::import::onnx
