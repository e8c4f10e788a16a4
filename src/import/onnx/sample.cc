// GridSample: reads images at coordinates that are data. Each of the neighbours of a coordinate is
// gathered, weighted and added.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

using Operand = Emitter::Operand;

/// One coordinate of the samples, in elements of an axis, and where it is read.
struct Axis {
  Operand position;  ///< [batch, rows, columns]
  int64_t extent;
};

/// What one neighbour gives along one axis.
struct Neighbour {
  Operand index;   ///< within the axis
  Operand weight;  ///< 0 outside when the padding is zeros
};

/// From [-1, 1] over the axis to elements; the ends are centres or edges of the outer elements.
Operand unnormalise(Emitter& emitter, const Operand& grid, int64_t extent, bool align_corners) {
  const Operand shifted = emitter.with_number(Op::kAdd, grid, 1);
  const auto size = static_cast<double>(extent);
  if (align_corners) return emitter.with_number(Op::kMul, shifted, (size - 1) / 2);
  return emitter.with_number(Op::kSub, emitter.with_number(Op::kMul, shifted, size / 2), 0.5);
}

Operand clamp(Emitter& emitter, const Operand& x, int64_t extent) {
  return emitter.with_number(Op::kMin, emitter.with_number(Op::kMax, x, 0),
                             static_cast<double>(extent - 1));
}

Neighbour neighbour(Emitter& emitter, const Operand& at, const Operand& weight, int64_t extent,
                    bool zeros) {
  const Operand inside = clamp(emitter, at, extent);
  Neighbour result{emitter.cast(inside, DType::kInt64), weight};
  if (zeros && at) {
    const Operand is_inside = emitter.emit(Op::kEqual, {at, inside});
    result.weight = emitter.emit(Op::kMul, {weight, emitter.cast(is_inside, emitter.dtype(*at))});
  }
  return result;
}

/// The nearest element, or the two around a position with their linear weights.
std::vector<Neighbour> neighbours(Emitter& emitter, const Axis& axis, bool linear, bool zeros) {
  if (!axis.position) return {{axis.position, axis.position}};
  const auto number = [&](double value) -> Operand {
    return emitter.number(value, emitter.dtype(*axis.position));
  };
  if (!linear) {
    const Operand nearest = emitter.emit(Op::kRound, {axis.position});
    const Operand whole = emitter.expand(number(1), emitter.shape(*axis.position));
    return {neighbour(emitter, nearest, whole, axis.extent, zeros)};
  }
  const Operand before = emitter.emit(Op::kFloor, {axis.position});
  const Operand after = emitter.with_number(Op::kAdd, before, 1);
  const Operand share = emitter.emit(Op::kSub, {axis.position, before});
  return {
      neighbour(emitter, before, emitter.emit(Op::kSub, {number(1), share}), axis.extent, zeros),
      neighbour(emitter, after, share, axis.extent, zeros)};
}

}  // namespace

Result<void> import_grid_sample(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId grid, node.input(1));
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<Dim> places = emitter.shape(grid);
  const std::string mode = node.text("mode", "linear");
  const std::string padding = node.text("padding_mode", "zeros");
  if (dims.size() != 4 || places.size() != 4) return node.unsupported("GridSample of volumes");
  if (mode == "cubic" || mode == "bicubic")
    return node.unsupported("GridSample with cubic weights");
  if (padding == "reflection") return node.unsupported("GridSample with reflection");
  if (!dims[2].is_constant() || !dims[3].is_constant()) {
    return node.unsupported("GridSample of images of open size");
  }
  const bool is_linear = mode != "nearest";
  const bool is_zero = padding == "zeros";
  // The grid's last axis has the column first.
  const auto axis = [&](int64_t at, Dim extent) {
    const Operand part =
        emitter.reshape(emitter.slice(grid, 3, at, at + 1), {places[0], places[1], places[2]});
    Operand position = unnormalise(emitter, emitter.cast(part, emitter.dtype(x)), extent.value(),
                                   node.flag("align_corners", false));
    if (!is_zero) position = clamp(emitter, position, extent.value());
    return neighbours(emitter, {position, extent.value()}, is_linear, is_zero);
  };
  const std::vector<Neighbour> columns = axis(0, dims[3]);
  const std::vector<Neighbour> rows = axis(1, dims[2]);
  const std::vector<Dim> column = {places[0], places[1], places[2], 1};
  const Operand images = emitter.transpose(x, {0, 2, 3, 1});
  Operand sum = ValueId();
  for (const Neighbour& row : rows) {
    for (const Neighbour& other : columns) {
      const Operand index = emitter.concat(
          {emitter.reshape(row.index, column), emitter.reshape(other.index, column)}, 3);
      const Operand elements =
          emitter.emit(Op::kGatherNd, {images, index}, {{"batch_dims", int64_t{1}}});
      const Operand weight =
          emitter.reshape(emitter.emit(Op::kMul, {row.weight, other.weight}), column);
      const Operand part = emitter.emit(Op::kMul, {elements, weight});
      sum = sum && !*sum ? part : emitter.emit(Op::kAdd, {sum, part});
    }
  }
  return node.finish(emitter.transpose(sum, {0, 3, 1, 2}));
}

}  // namespace tenon::import::onnx
