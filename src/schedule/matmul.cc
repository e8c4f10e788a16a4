// Matrix multiplication, batched or not, with packed or row-major columns.
#include <algorithm>

#include "schedule/contraction.h"
#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kA = 0, kB = 1;

bool applies(const Module& module, const Node& node, const Target&) {
  return node.op == ir::Op::kMatMul &&
         module.value(node.outputs[0]).type.dtype == ir::DType::kFloat32;
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  const bool packed = node.attrs.integer_or("packed", 0) > 0;
  if (operand == kB && !packed)
    layout.unit_axis = static_cast<int>(module.value(node.inputs[kB]).type.rank()) - 1;
  return layout;
}

/// An operand's address for an index of the result's batch axes: axes that it lacks or repeats do
/// not count.
E batch_address(const ir::View& view, const ir::TensorType& type, size_t matrix_rank,
                const std::vector<E>& batch) {
  E address = view.offset;
  const size_t own = type.rank() - matrix_rank;
  for (size_t axis = 0; axis < own; ++axis) {
    if (!type.dims[axis].is(1))
      address = address + batch[batch.size() - own + axis] * view.strides[axis];
  }
  return address;
}

void loops(LoopScope& scope) {
  ir::LoopBuilder& b = scope.builder();
  const ir::TensorType& result = scope.result_type(0);
  const ir::TensorType& a_type = scope.operand_type(kA);
  const ir::TensorType& b_type = scope.operand_type(kB);
  const ir::View a = scope.view(kA), w = scope.view(kB);
  const int64_t packed = scope.attrs().integer_or("packed", 0);
  const size_t rank = result.rank();
  const size_t a_rank = a_type.rank(), b_matrix = packed > 0 ? 3 : 2;

  // With one B for all, the rows are the innermost axis that has several, and the batch axes
  // outside it that both A and the result walk as more rows.
  const bool one_b = std::all_of(b_type.dims.begin(), b_type.dims.end() - b_matrix,
                                 [](ir::Dim d) { return d.is(1); });
  size_t row_axis = rank - 2;
  while (one_b && row_axis > 0 && result.dims[row_axis].is(1)) --row_axis;
  auto a_stride = [&](size_t axis) {
    return axis + a_rank < rank ? b.integer(0) : a.strides[axis + a_rank - rank];
  };
  size_t batch_rank = row_axis, joined = row_axis;
  E rows = scope.dim(result.dims[row_axis]);
  const E row_stride = a_stride(row_axis);
  while (one_b && batch_rank > 0) {
    const size_t axis = batch_rank - 1;
    const ir::Dim size = result.dims[axis];
    if (!size.is(1)) {
      if (!scope.adjacent(static_cast<int>(axis), static_cast<int>(joined))) break;
      if ((rows * row_stride).id != a_stride(axis).id) break;
      joined = axis;
    }
    rows = rows * scope.dim(size);
    --batch_rank;
  }
  E batches = b.integer(1);
  for (size_t axis = 0; axis < batch_rank; ++axis) batches = batches * scope.dim(result.dims[axis]);
  auto batch_index = [&](E batch) {
    std::vector<E> index(rank - 2, b.integer(0));
    for (size_t axis = batch_rank; axis-- > 0;) {
      const E size = scope.dim(result.dims[axis]);
      index[axis] = axis == 0 ? batch : b.let("i", batch % size);
      if (axis > 0) batch = b.let("i", batch / size);
    }
    return index;
  };

  Contraction c;
  c.a = a.buffer;
  c.b = w.buffer;
  c.rows = rows;
  c.columns = scope.dim(result.dims[rank - 1]);
  c.depth = scope.dim(a_type.dims[a_rank - 1]);
  c.a_step = a.strides[a_rank - 1];
  c.batches = batches;
  const int lanes = scope.target().lanes(4);
  Tile tile = choose_tile(scope.target(), rows.constant(), c.columns.constant());
  const size_t b_rank = b_type.rank();
  if (packed > 0) {
    tile = choose_tile(scope.target(), rows.constant(), c.columns.constant(),
                       static_cast<int>(packed) / lanes);
    c.panel_step = w.strides[b_rank - 3];
    c.b_step = w.strides[b_rank - 2];
    c.padded = true;
  } else {
    c.panel_step = b.integer(int64_t{tile.vectors} * lanes);
    c.b_step = w.strides[b_rank - 2];
  }
  c.b_address = [&](E batch) { return batch_address(w, b_type, b_matrix, batch_index(batch)); };
  c.row = [&](E batch, E row) {
    ContractionRow point;
    point.index = batch_index(batch);
    point.address = batch_address(a, a_type, 2, point.index) + row * row_stride;
    point.index.resize(rank, b.integer(0));
    point.index[row_axis] = row;
    return point;
  };
  c.store = [&](const ContractionRow& point, E column, E vector, int lanes, E mask) {
    std::vector<E> index = point.index;
    index.back() = column;
    scope.store(0, index, vector, {static_cast<int>(rank) - 1, lanes, mask});
  };
  contraction_loops(scope, c, tile);
}

}  // namespace

const Recipe& matmul_recipe() {
  static const Recipe recipe = {"matmul", applies, operand_layout, false, loops};
  return recipe;
}

}  // namespace tenon::schedule
