// Copies whose innermost axis in memory is another one before than after: blocks of vectors are
// turned in registers, so that both sides are read and written by whole vectors. The last block
// along an axis begins early rather than being short.
#include <algorithm>
#include <bit>

#include "schedule/families.h"
#include "schedule/transpose.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

struct Axis {
  int64_t extent, from, to;  ///< elements, and strides of both sides
};

/// How a copy is cut: blocks of `rows` vectors of `lanes` elements.
struct Tiling {
  std::vector<Axis> outer;  ///< outermost first
  Axis read, written;       ///< with stride 1 on that side
  int lanes = 0, rows = 0;
  /// A block's rows are all of the axis `written`, and the block lies in one piece there.
  bool interleaves = false;
};

int floor_power(int64_t value) {
  return static_cast<int>(std::bit_floor(static_cast<uint64_t>(value)));
}

/// None where the copy turns nothing, or in blocks too small to gain.
std::optional<Tiling> choose_tiling(std::vector<Axis> axes, int lanes) {
  std::erase_if(axes, [](const Axis& axis) { return axis.extent == 1; });
  std::ranges::stable_sort(axes, std::greater(), &Axis::to);
  Tiling tiling;
  for (const Axis& axis : axes) {
    // Neighbours that both sides walk as one are one axis.
    const bool joins = !tiling.outer.empty() &&
                       tiling.outer.back().from == axis.from * axis.extent &&
                       tiling.outer.back().to == axis.to * axis.extent;
    if (!joins) {
      tiling.outer.push_back(axis);
    } else {
      tiling.outer.back() = {tiling.outer.back().extent * axis.extent, axis.from, axis.to};
    }
  }
  const auto take = [&](int64_t Axis::* stride) -> std::optional<Axis> {
    const auto found = std::ranges::find(tiling.outer, 1, stride);
    if (found == tiling.outer.end()) return std::nullopt;
    const Axis axis = *found;
    tiling.outer.erase(found);
    return axis;
  };
  const auto written = take(&Axis::to);
  if (!written || written->from == 1) return std::nullopt;
  const auto read = take(&Axis::from);
  if (!read) return std::nullopt;
  tiling.read = *read;
  tiling.written = *written;
  constexpr int64_t kFewRows = 3, kLeast = 4;
  tiling.interleaves = written->extent <= kFewRows && read->to == written->extent;
  tiling.lanes = std::min(lanes, floor_power(read->extent));
  if (!tiling.interleaves) tiling.lanes = std::min(tiling.lanes, floor_power(written->extent));
  tiling.rows = tiling.interleaves ? static_cast<int>(written->extent) : tiling.lanes;
  return tiling.lanes >= kLeast ? std::optional(tiling) : std::nullopt;
}

bool applies(const Module& module, const Node& node, const Target& target) {
  if (node.op != ir::Op::kCopy || node.inputs[0].index >= module.placements.size()) return false;
  const ir::TensorType& type = module.value(node.outputs[0]).type;
  const ir::Placement& from = module.placements[node.inputs[0].index];
  const ir::Placement& to = module.placements[node.outputs[0].index];
  if (ir::size_of(type.dtype) != 4 || !from.storage || !to.storage || !type.is_static() ||
      module.scalar(node.inputs[0])) {
    return false;
  }
  std::vector<Axis> axes;
  for (size_t axis = 0; axis < type.rank(); ++axis) {
    if (!from.strides[axis].is_constant() || !to.strides[axis].is_constant()) return false;
    axes.push_back({type.dims[axis].value(), from.strides[axis].value(), to.strides[axis].value()});
  }
  return choose_tiling(std::move(axes), target.lanes(4)).has_value();
}

OperandLayout operand_layout(const Module&, const Node&, int) { return {}; }

/// The elements of all rows in turn: row 0 lane 0, row 1 lane 0, ..., row 0 lane 1, ...
std::vector<E> interleave(ir::LoopBuilder& b, const std::vector<E>& rows, int lanes) {
  const int count = static_cast<int>(rows.size());
  std::vector<E> result;
  for (int v = 0; v < count; ++v) {
    E vector = rows[0];
    for (int row = 1; row < count; ++row) {
      std::vector<int> picked;
      for (int lane = 0; lane < lanes; ++lane) {
        const int element = v * lanes + lane;
        const bool is_first = row == 1 && element % count == 0;
        picked.push_back(element % count == row ? lanes + element / count
                         : is_first             ? element / count
                                                : lane);
      }
      vector = b.let("t", b.shuffle(vector, rows[row], picked));
    }
    result.push_back(vector);
  }
  return result;
}

void loops(LoopScope& scope) {
  ir::LoopBuilder& b = scope.builder();
  const ir::View from = scope.view(0), to = scope.result_view(0);
  const std::vector<ir::Dim>& dims = scope.result_type(0).dims;
  std::vector<Axis> axes;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    axes.push_back(
        {dims[axis].value(), *from.strides[axis].constant(), *to.strides[axis].constant()});
  }
  const Tiling tiling = *choose_tiling(std::move(axes), scope.target().lanes(4));

  // The innermost outer axis is cut into chunks, so that a task is worth handing out.
  constexpr int64_t kTaskElements = 4096;
  const Axis single = {1, 0, 0};
  const Axis near = tiling.outer.empty() ? single : tiling.outer.back();
  const int64_t each = tiling.read.extent * tiling.written.extent;
  const int64_t chunk = std::clamp<int64_t>(kTaskElements / each, 1, near.extent);
  const int64_t chunks = (near.extent + chunk - 1) / chunk;
  int64_t tasks = chunks;
  for (size_t i = 0; i + 1 < tiling.outer.size(); ++i) tasks *= tiling.outer[i].extent;
  E rest = b.tasks(b.integer(tasks));
  const E first = b.let("first", rest % chunks * chunk);
  rest = rest / chunks;
  E source = from.offset, target = to.offset;
  for (size_t i = tiling.outer.size(); i-- > 1;) {
    const Axis& axis = tiling.outer[i - 1];
    const E at = b.let("i", rest % axis.extent);
    rest = rest / axis.extent;
    source = source + at * axis.from;
    target = target + at * axis.to;
  }

  const auto blocks = [&](int64_t extent, int step, const std::function<void(E)>& body) {
    b.loop("block", b.integer(0), b.integer(extent), step,
           [&](E at) { body(b.let("at", b.min(at, b.integer(extent - step)))); });
  };
  const auto block = [&](E read_from, E write_to) {
    std::vector<E> rows;
    for (int row = 0; row < tiling.rows; ++row) {
      rows.push_back(
          b.let("x", b.load(from.buffer, read_from + tiling.written.from * row, tiling.lanes)));
    }
    const std::vector<E> columns =
        tiling.interleaves ? interleave(b, rows, tiling.lanes) : transpose(b, std::move(rows));
    const int64_t step = tiling.interleaves ? tiling.lanes : tiling.read.to;
    for (size_t i = 0; i < columns.size(); ++i)
      b.store(to.buffer, write_to + step * static_cast<int64_t>(i), columns[i]);
  };
  b.loop("n", first, b.min(first + chunk, b.integer(near.extent)), 1, [&](E n) {
    const E source_row = b.let("s", source + n * near.from),
            target_row = b.let("t", target + n * near.to);
    blocks(tiling.written.extent, tiling.rows, [&](E w) {
      blocks(tiling.read.extent, tiling.lanes, [&](E r) {
        block(source_row + w * tiling.written.from + r, target_row + r * tiling.read.to + w);
      });
    });
  });
}

}  // namespace

const Recipe& copy_recipe() {
  static const Recipe recipe = {"copy", applies, operand_layout, false, loops};
  return recipe;
}

}  // namespace tenon::schedule
