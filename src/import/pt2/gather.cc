// Operators that read or write at indices which are data.
#include <algorithm>
#include <tuple>

#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"
#include "import/pt2/promotion.h"
#include "import/pt2/views.h"
#include "ops/op.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

Result<void> import_embedding(NodeContext& node) {
  TENON_TRY(ValueId weight, node.tensor("weight"));
  TENON_TRY(ValueId places, node.tensor("indices"));
  return node.finish(node.emitter().emit(Op::kGather, {weight, places}, {{"axis", int64_t{0}}}));
}

Result<void> import_index_select(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId places, node.tensor("index"));
  if (emitter.rank(x) == 0 || emitter.rank(places) > 1) return node.unsupported("scalars");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Operand flat = emitter.reshape(places, {emitter.dims().product(emitter.shape(places))});
  return node.finish(emitter.emit(Op::kGather, {x, flat}, {{"axis", axis}}));
}

namespace {

/// The indices of an element, or what is written there, may have shorter axes than the tensor.
Result<int64_t> axis_of(NodeContext& node, ValueId x, ValueId places) {
  if (node.emitter().rank(x) == 0 || node.emitter().rank(places) != node.emitter().rank(x)) {
    return node.unsupported("a scalar");
  }
  return node.axis(node.integer("dim"), node.emitter().rank(x));
}

}  // namespace

Result<void> import_gather(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId places, node.tensor("index"));
  TENON_TRY(int64_t axis, axis_of(node, x, places));
  return node.finish(node.emitter().emit(Op::kGatherElements, {x, places}, {{"axis", axis}}));
}

namespace {

Result<void> scatter(NodeContext& node, const Value& source, std::string reduction) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId places, node.tensor("index"));
  TENON_TRY(int64_t axis, axis_of(node, x, places));
  Operand updates = as_operand(node, source, emitter.dtype(x));
  TENON_TRY(ValueId given, updates);
  const std::vector<Dim> dims = emitter.shape(places);
  if (emitter.rank(given) == 0) {
    updates = emitter.expand(updates, dims);
  } else {
    // Elements beyond the indices are not read.
    for (size_t i = 0; i < dims.size() && i < emitter.shape(given).size(); ++i) {
      updates = emitter.slice(updates, static_cast<int64_t>(i), 0, dims[i]);
    }
  }
  return node.finish(emitter.emit(Op::kScatterElements, {x, places, updates},
                                  {{"axis", axis}, {"reduction", std::move(reduction)}}));
}

}  // namespace

Result<void> import_scatter_src(NodeContext& node) {
  return scatter(node, node.argument("src"), "none");
}
Result<void> import_scatter_value(NodeContext& node) {
  return scatter(node, node.argument("value"), "none");
}
Result<void> import_scatter_add(NodeContext& node) {
  return scatter(node, node.argument("src"), "add");
}

Result<void> import_scatter_reduce(NodeContext& node) {
  if (!node.flag("include_self")) return node.unsupported("include_self=False");
  const std::string name = node.text("reduce");
  constexpr std::pair<std::string_view, const char*> kReductions[] = {
      {"sum", "add"}, {"prod", "mul"}, {"amax", "max"}, {"amin", "min"}};
  for (const auto& [theirs, ours] : kReductions) {
    if (name == theirs) return scatter(node, node.argument("src"), ours);
  }
  return node.unsupported(fmt::format("reduce='{}'", name));
}

namespace {

/// x[i, :, j, ...] with tensors of indices for some axes.
struct Indexed {
  ValueId x;                  ///< the indexed axes first
  Operand places;             ///< [..., number of indexed axes]
  std::vector<int64_t> perm;  ///< from the given axes to those of x
  int64_t count = 0;          ///< of axes of the indices' common shape
  int64_t at = 0;             ///< where these axes are in the result
};

/// A bool mask with known elements as the positions where it is true, one tensor per axis.
Result<std::vector<ValueId>> positions_of(NodeContext& node, ValueId mask) {
  Emitter& emitter = node.emitter();
  const auto elements = emitter.integers(mask);
  if (!elements) return node.unsupported("a mask, whose result has a size that depends on data");
  const std::vector<Dim> dims = emitter.shape(mask);
  std::vector<std::vector<Dim>> places(dims.size());
  for (size_t i = 0; i < elements->size(); ++i) {
    if ((*elements)[i] == 0) continue;
    auto rest = static_cast<int64_t>(i);
    for (size_t axis = dims.size(); axis-- > 0;) {
      places[axis].emplace_back(rest % dims[axis].value());
      rest /= dims[axis].value();
    }
  }
  std::vector<ValueId> result;
  for (std::vector<Dim>& one : places) {
    TENON_TRY(ValueId value, emitter.from_dims(std::move(one)));
    result.push_back(value);
  }
  return result;
}

Result<Indexed> indexed_of(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(const std::vector<ValueId> given, node.optional_tensors("indices"));
  std::vector<ValueId> indices;
  for (ValueId index : given) {
    if (index && emitter.dtype(index) == DType::kBool) {
      TENON_TRY(const std::vector<ValueId> positions, positions_of(node, index));
      indices.insert(indices.end(), positions.begin(), positions.end());
    } else {
      indices.push_back(index);
    }
  }
  const int64_t rank = emitter.rank(x);
  if (static_cast<int64_t>(indices.size()) > rank) return node.bad("more indices than axes");
  indices.resize(static_cast<size_t>(rank));
  std::vector<int64_t> rest;
  std::vector<std::vector<Dim>> shapes;
  Indexed indexed;
  for (int64_t axis = 0; axis < rank; ++axis) {
    const ValueId index = indices[static_cast<size_t>(axis)];
    (index ? indexed.perm : rest).push_back(axis);
    if (index) shapes.push_back(emitter.shape(index));
  }
  if (indexed.perm.empty()) return node.bad("has no indices");
  const auto joint = ops::broadcast(shapes, emitter.dims());
  if (!joint) {
    return fail(ErrorKind::kBadShape, joint.error(), emitter.where());
  }
  std::vector<Dim> column = *joint;
  column.emplace_back(1);
  std::vector<Operand> columns;
  for (int64_t axis : indexed.perm) {
    const Operand index = emitter.cast(indices[static_cast<size_t>(axis)], DType::kInt64);
    columns.push_back(emitter.reshape(emitter.expand(index, *joint), column));
  }
  indexed.places = emitter.concat(columns, static_cast<int64_t>(joint->size()));
  indexed.count = static_cast<int64_t>(joint->size());
  const auto axes = static_cast<int64_t>(indexed.perm.size());
  const bool are_neighbours = indexed.perm.back() - indexed.perm.front() == axes - 1;
  indexed.at = are_neighbours ? indexed.perm.front() : 0;
  indexed.perm.insert(indexed.perm.end(), rest.begin(), rest.end());
  TENON_TRY(indexed.x, emitter.transpose(x, indexed.perm));
  return indexed;
}

/// Moves `count` axes from the front to `at`, or back.
std::vector<int64_t> move_axes(int64_t rank, int64_t count, int64_t at, bool back) {
  std::vector<int64_t> perm = axes_from(0, rank);
  const auto begin = perm.begin();
  std::rotate(begin, begin + (back ? at : count), begin + at + count);
  return perm;
}

}  // namespace

Result<void> import_index(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const std::vector<ValueId> given, node.optional_tensors("indices"));
  const auto is_given = [](ValueId index) { return static_cast<bool>(index); };
  const auto only = std::ranges::find_if(given, is_given);
  if (std::ranges::count_if(given, is_given) == 1 && emitter.dtype(*only) != DType::kBool) {
    TENON_TRY(ValueId x, node.tensor("self"));
    return node.finish(
        emitter.emit(Op::kGather, {x, *only}, {{"axis", int64_t{only - given.begin()}}}));
  }
  TENON_TRY(const Indexed indexed, indexed_of(node));
  TENON_TRY(ValueId result,
            emitter.emit(Op::kGatherNd, {indexed.x, indexed.places}, {{"batch_dims", int64_t{0}}}));
  return node.finish(
      emitter.transpose(result, move_axes(emitter.rank(result), indexed.count, indexed.at, false)));
}

namespace {

/// x with one value where a mask over its first axes is true.
Result<void> put_where(NodeContext& node, ValueId mask) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId value, node.tensor("values"));
  std::vector<Dim> dims = emitter.shape(mask);
  dims.resize(std::max(dims.size(), emitter.shape(x).size()), 1);
  return node.finish(
      emitter.emit(Op::kWhere, {emitter.reshape(mask, std::move(dims)),
                                emitter.reshape(emitter.cast(value, emitter.dtype(x)), {}), x}));
}

}  // namespace

Result<void> import_index_put(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const std::vector<ValueId> given, node.optional_tensors("indices"));
  TENON_TRY(ValueId given_values, node.tensor("values"));
  if (given.size() == 1 && given[0] && emitter.dtype(given[0]) == DType::kBool &&
      emitter.dims().product(emitter.shape(given_values)).is(1) && !node.flag("accumulate")) {
    return put_where(node, given[0]);
  }
  TENON_TRY(const Indexed indexed, indexed_of(node));
  const std::vector<Dim> dims = emitter.shape(indexed.x);
  TENON_TRY(ValueId places, indexed.places);
  std::vector<Dim> target = emitter.shape(places);
  const Dim axes = target.back();
  target.pop_back();
  target.insert(target.end(), dims.begin() + axes.value(), dims.end());
  // The values have the shape of what indexing gives: the indices' axes at their place.
  const auto rank = static_cast<int64_t>(target.size());
  const std::vector<int64_t> order = move_axes(rank, indexed.count, indexed.at, false);
  std::vector<Dim> given_dims;
  for (int64_t axis : order) given_dims.push_back(target[static_cast<size_t>(axis)]);
  TENON_TRY(ValueId values, node.tensor("values"));
  const Operand updates =
      emitter.transpose(emitter.expand(emitter.cast(values, emitter.dtype(indexed.x)), given_dims),
                        move_axes(rank, indexed.count, indexed.at, true));
  const Operand result =
      emitter.emit(Op::kScatterNd, {indexed.x, places, updates},
                   {{"reduction", std::string(node.flag("accumulate") ? "add" : "none")}});
  std::vector<int64_t> inverse(indexed.perm.size());
  for (size_t i = 0; i < inverse.size(); ++i) {
    inverse[static_cast<size_t>(indexed.perm[i])] = static_cast<int64_t>(i);
  }
  return node.finish(emitter.transpose(result, std::move(inverse)));
}

Result<void> import_slice_scatter(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId part, node.tensor("src"));
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Dim start = node.has("start") ? node.dim("start") : Dim(0);
  const Dim end = node.has("end") ? node.dim("end") : Dim(INT64_MAX);
  const View view = slice_view(emitter, emitter.shape(x), axis, start, end, node.integer("step"));
  return node.finish(view.write(x, part));
}

Result<void> import_select_scatter(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(ValueId part, node.tensor("src"));
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  std::vector<Dim> dims = emitter.shape(x);
  Dim index = node.dim("index");
  if (index.is_constant() && index.value() < 0) {
    index = emitter.dims().add(index, dims[static_cast<size_t>(axis)]);
  }
  dims[static_cast<size_t>(axis)] = 1;
  TENON_TRY(ValueId wide, emitter.reshape(part, std::move(dims)));
  return node.finish(replace_slice(emitter, x, wide, axis, index, 1));
}

}  // namespace tenon::import::pt2
