// Operators whose results have as many elements as the data says.
#include <algorithm>
#include <limits>

#include "import/elements.h"
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// The first `count` elements along axis 0.
Emitter::Operand first(Emitter& emitter, ValueId x, Dim count) {
  std::vector<Dim> dims = emitter.shape(x);
  dims[0] = count;
  return emitter.emit(Op::kSlice, {x},
                      {{"starts", std::vector<Dim>(dims.size(), 0)},
                       {"steps", std::vector<int64_t>(dims.size(), 1)},
                       {"dims", dims}});
}

/// Row-major positions of elements that are not 0: the first `count` count.
struct Selection {
  ValueId positions;
  Dim count;
};

Result<Selection> select(Emitter& emitter, Emitter::Operand x) {
  TENON_TRY(const std::vector<ValueId> found, emitter.emit_all(Op::kNonZero, {x}, {}));
  return Selection{found[0], emitter.read_size(found[1], emitter.shape(found[0])[0])};
}

/// Row-major positions of the elements of operand `i` that are not 0, ascending; as numbers where
/// they are known.
Emitter::Operand selected_positions(NodeContext& node, size_t i) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(i));
  if (emitter.module().constant(x)) {
    TENON_TRY(const std::vector<double> elements, node.numbers_input(i, "operands"));
    std::vector<Dim> places;
    for (size_t k = 0; k < elements.size(); ++k) {
      if (elements[k] != 0) places.emplace_back(static_cast<int64_t>(k));
    }
    return emitter.from_dims(std::move(places));
  }
  TENON_TRY(const Selection selected, select(emitter, x));
  return first(emitter, selected.positions, selected.count);
}

/// Positions [n] in a tensor of these dims as coordinates [rank, n].
Emitter::Operand coordinates(Emitter& emitter, ValueId positions, const std::vector<Dim>& dims) {
  const auto rank = static_cast<int64_t>(dims.size());
  std::vector<Dim> strides(dims.size());
  Dim stride = 1;
  for (size_t axis = dims.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride = emitter.dims().mul(stride, dims[axis]);
  }
  const auto column = [&](const std::vector<Dim>& elements) {
    return emitter.reshape(emitter.from_dims(elements), {rank, 1});
  };
  const Emitter::Operand row = emitter.reshape(positions, {1, emitter.shape(positions)[0]});
  if (rank == 1) return row;
  const Emitter::Operand passed = emitter.emit(Op::kFloorDiv, {row, column(strides)});
  return emitter.emit(Op::kMod, {passed, column(dims)});
}

}  // namespace

Result<void> import_non_zero(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  TENON_TRY(const ValueId positions, selected_positions(node, 0));
  return node.finish(coordinates(emitter, positions, emitter.shape(x)));
}

Result<void> import_compress(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  Emitter::Operand source = x;
  int64_t axis = 0;
  if (auto given = node.integer("axis")) {
    TENON_TRY(axis, node.axis(*given, emitter.rank(x)));
  } else {
    source = emitter.reshape(x, {emitter.dims().product(emitter.shape(x))});
  }
  return node.finish(
      emitter.emit(Op::kGather, {source, selected_positions(node, 1)}, {{"axis", axis}}));
}

/// Equal rows stand together once they are sorted; the first of them, which the sort leaves in
/// front, stands for all. A row is what has one index along the axis; without an axis, it is one
/// element.
Result<void> import_unique(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  int64_t axis = 0;
  if (auto given = node.integer("axis")) {
    TENON_TRY(axis, node.axis(*given, emitter.rank(x)));
  } else {
    TENON_TRY(x, emitter.reshape(x, {emitter.dims().product(emitter.shape(x))}));
  }
  std::vector<int64_t> perm = axes_from(0, emitter.rank(x));
  std::rotate(perm.begin(), perm.begin() + axis, perm.begin() + axis + 1);
  std::vector<Dim> row = emitter.shape(x);
  const Dim size = row[axis];
  row.erase(row.begin() + axis);
  TENON_TRY(const ValueId rows,
            emitter.reshape(emitter.transpose(x, perm), {size, emitter.dims().product(row)}));
  TENON_TRY(const ValueId from, emitter.emit(Op::kRowOrder, {rows}));
  const auto gather = [&](Emitter::Operand values, Emitter::Operand places, int64_t along = 0) {
    return emitter.emit(Op::kGather, {std::move(values), std::move(places)}, {{"axis", along}});
  };
  const Emitter::Operand zeros = emitter.expand(emitter.numbers({0}, DType::kInt64), {size});
  const Emitter::Operand ones = emitter.expand(emitter.numbers({1}, DType::kInt64), {size});
  const auto scatter = [&](Emitter::Operand places, Emitter::Operand values,
                           std::string_view reduction) {
    return emitter.emit(Op::kScatterElements, {zeros, std::move(places), std::move(values)},
                        {{"axis", 0}, {"reduction", std::string(reduction)}});
  };
  // How many flags are set before each element, itself included, less one.
  const auto number = [&](Emitter::Operand flags) {
    const Emitter::Operand sums =
        emitter.emit(Op::kCumSum, {emitter.cast(std::move(flags), DType::kInt64)},
                     {{"axis", 0}, {"exclusive", false}, {"reverse", false}});
    return emitter.with_number(Op::kSub, sums, 1);
  };
  TENON_TRY(const ValueId place, indices(emitter, size));
  const Emitter::Operand before =
      emitter.with_number(Op::kMax, emitter.with_number(Op::kSub, place, 1), 0);
  TENON_TRY(const ValueId sorted, gather(rows, from));
  const Emitter::Operand differs = emitter.reduce(
      emitter.emit(Op::kNotEqual, {sorted, gather(sorted, before)}), "any", {1}, false);
  TENON_TRY(const ValueId is_first,
            emitter.emit(Op::kOr, {emitter.with_number(Op::kEqual, place, 0), differs}));
  const Emitter::Operand group = number(is_first);
  TENON_TRY(Selection firsts, select(emitter, is_first));
  Emitter::Operand places = gather(from, firsts.positions);
  Emitter::Operand group_of_sorted = group;
  if (!node.flag("sorted", true)) {
    // In the order in which they come: by the places of the first ones.
    const Emitter::Operand first_of_sorted = gather(places, group);
    TENON_TRY(const ValueId comes_first,
              scatter(from, emitter.cast(is_first, DType::kInt64), "none"));
    group_of_sorted = gather(number(comes_first), first_of_sorted);
    TENON_TRY(firsts, select(emitter, comes_first));
    places = firsts.positions;
  }
  TENON_TRY(const ValueId all_places, places);
  TENON_TRY(const ValueId chosen, first(emitter, all_places, firsts.count));
  TENON_TRY(const ValueId inverse, scatter(from, group_of_sorted, "none"));
  TENON_TRY(const ValueId counts, scatter(inverse, ones, "add"));
  TENON_TRY(const ValueId values, gather(x, chosen, axis));
  TENON_TRY(const ValueId counts_of_chosen, first(emitter, counts, firsts.count));
  node.set_output(0, values);
  node.set_output(1, chosen);
  node.set_output(2, inverse);
  node.set_output(3, counts_of_chosen);
  return {};
}

Result<void> import_non_max_suppression(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId boxes, node.input(0));
  TENON_TRY(const ValueId scores, node.input(1));
  if (emitter.rank(boxes) != 3) return node.bad("boxes do not have three axes");
  std::vector<Dim> most = {0};
  if (node.has_input(2)) {
    TENON_TRY(most, node.dims_input(2, "counts"));
  }
  if (most.size() != 1) return node.bad("the most boxes of a class are not one number");
  most[0] = larger(emitter.dims(), smaller(emitter.dims(), most[0], emitter.shape(boxes)[1]), 0);
  const auto scalar = [&](size_t i, double otherwise) -> Emitter::Operand {
    if (!node.has_input(i)) return emitter.number(otherwise, DType::kFloat32);
    return emitter.reshape(node.input(i), {});
  };
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  TENON_TRY(
      const std::vector<ValueId> found,
      emitter.emit_all(Op::kNonMaxSuppression, {boxes, scores, scalar(3, 0), scalar(4, kNone)},
                       {{"most", most}, {"center", node.flag("center_point_box", false)}}));
  const Dim count = emitter.read_size(found[1], emitter.shape(found[0])[0]);
  return node.finish(first(emitter, found[0], count));
}

}  // namespace tenon::import::onnx
