// Operators that put elements elsewhere.
#include <algorithm>

#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"
#include "import/pt2/promotion.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// The tensors in their common type.
Result<std::vector<Operand>> common_tensors(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const std::vector<ValueId> values, node.tensors("tensors"));
  DType dtype = emitter.dtype(values[0]);
  for (ValueId value : values) dtype = promote(dtype, emitter.dtype(value));
  std::vector<Operand> result;
  for (ValueId value : values) {
    // An empty vector may stand beside tensors of any rank.
    const bool is_nothing = emitter.shape(value) == std::vector<Dim>{0};
    if (!is_nothing || values.size() == 1) result.push_back(emitter.cast(value, dtype));
  }
  return result;
}

}  // namespace

Result<void> import_cat(NodeContext& node) {
  TENON_TRY(const std::vector<Operand> parts, common_tensors(node));
  if (parts.empty()) return node.unsupported("parts without elements");
  TENON_TRY(ValueId first, parts[0]);
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), node.emitter().rank(first)));
  return node.finish(node.emitter().concat(parts, axis));
}

Result<void> import_stack(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const std::vector<Operand> parts, common_tensors(node));
  if (parts.empty()) return node.unsupported("parts without elements");
  TENON_TRY(ValueId first, parts[0]);
  std::vector<Dim> dims = emitter.shape(first);
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(first) + 1));
  dims.insert(dims.begin() + axis, 1);
  std::vector<Operand> widened;
  for (const Operand& part : parts) widened.push_back(emitter.reshape(part, dims));
  return node.finish(emitter.concat(widened, axis));
}

namespace {

/// Pads whose amounts are listed from the last axis on: before, after, before, ...
Result<void> pad(NodeContext& node, std::string_view amounts_name, std::string mode, double value) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> amounts = node.dims(amounts_name);
  const auto rank = static_cast<size_t>(emitter.rank(x));
  if (amounts.size() % 2 != 0 || amounts.size() / 2 > rank) {
    return node.bad("has amounts for axes it lacks");
  }
  std::vector<Dim> before(rank, 0), after(rank, 0);
  for (size_t i = 0; i < amounts.size() / 2; ++i) {
    before[rank - 1 - i] = amounts[2 * i];
    after[rank - 1 - i] = amounts[2 * i + 1];
  }
  return node.finish(emitter.emit(
      Op::kPad, {x, emitter.number(value, emitter.dtype(x))},
      {{"before", std::move(before)}, {"after", std::move(after)}, {"mode", std::move(mode)}}));
}

}  // namespace

Result<void> import_pad(NodeContext& node) {
  const std::string mode = node.text("mode");
  const double value = node.has("value") ? node.number("value") : 0;
  if (mode == "constant") return pad(node, "pad", "constant", value);
  if (mode == "reflect") return pad(node, "pad", "reflect", 0);
  if (mode == "replicate") return pad(node, "pad", "edge", 0);
  if (mode == "circular") return pad(node, "pad", "wrap", 0);
  return node.bad(fmt::format("mode '{}'", mode));
}

Result<void> import_constant_pad(NodeContext& node) {
  return pad(node, "pad", "constant", node.number("value"));
}
Result<void> import_reflection_pad(NodeContext& node) { return pad(node, "padding", "reflect", 0); }
Result<void> import_replication_pad(NodeContext& node) { return pad(node, "padding", "edge", 0); }

Result<void> import_flip(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(const std::vector<int64_t> axes, node.axes(node.integers("dims"), emitter.rank(x)));
  Operand result = x;
  if (emitter.rank(x) == 0) return node.finish(result);
  for (int64_t axis : axes) result = emitter.slice(result, axis, -1, INT64_MIN, -1);
  return node.finish(std::move(result));
}

Result<void> import_roll(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<int64_t> shifts = node.integers("shifts");
  std::vector<int64_t> axes = node.integers("dims");
  Operand result = x;
  const bool is_flat = axes.empty();
  if (is_flat) {
    axes = {0};
    result = emitter.reshape(x, {emitter.dims().product(dims)});
  }
  if (axes.size() != shifts.size()) return node.bad("has other shifts than axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    TENON_TRY(ValueId from, result);
    TENON_TRY(const int64_t axis, node.axis(axes[i], emitter.rank(from)));
    const Dim size = emitter.shape(from)[static_cast<size_t>(axis)];
    if (!size.is_constant()) return node.unsupported("an axis of open size");
    if (size.value() == 0) continue;
    const int64_t shift = ((shifts[i] % size.value()) + size.value()) % size.value();
    if (shift == 0) continue;
    const int64_t split = size.value() - shift;
    result = emitter.concat(
        {emitter.slice(from, axis, split, size), emitter.slice(from, axis, 0, split)}, axis);
  }
  return node.finish(is_flat ? emitter.reshape(result, dims) : result);
}

Result<void> import_repeat(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  std::vector<Dim> repeats = node.dims("repeats");
  std::vector<Dim> dims = emitter.shape(x);
  if (repeats.size() < dims.size()) return node.bad("has no number for each axis");
  dims.insert(dims.begin(), repeats.size() - dims.size(), 1);
  return node.finish(emitter.emit(Op::kTile, {emitter.reshape(x, std::move(dims))},
                                  {{"repeats", std::move(repeats)}}));
}

Result<void> import_tile(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  std::vector<Dim> repeats = node.dims("dims");
  std::vector<Dim> dims = emitter.shape(x);
  const size_t rank = std::max(repeats.size(), dims.size());
  repeats.insert(repeats.begin(), rank - repeats.size(), 1);
  dims.insert(dims.begin(), rank - dims.size(), 1);
  return node.finish(emitter.emit(Op::kTile, {emitter.reshape(x, std::move(dims))},
                                  {{"repeats", std::move(repeats)}}));
}

Result<void> import_repeat_interleave(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const Dim repeats = node.dim("repeats");
  std::vector<Dim> dims = emitter.shape(x);
  if (!node.has("dim")) dims = {emitter.dims().product(dims)};
  int64_t axis = 0;
  if (node.has("dim")) {
    TENON_TRY(axis, node.axis(node.integer("dim"), static_cast<int64_t>(dims.size())));
  }
  if (dims.empty()) dims = {1};
  std::vector<Dim> narrow = dims, wide = dims, result = dims;
  narrow.insert(narrow.begin() + axis + 1, 1);
  wide.insert(wide.begin() + axis + 1, repeats);
  result[static_cast<size_t>(axis)] =
      emitter.dims().mul(result[static_cast<size_t>(axis)], repeats);
  return node.finish(
      emitter.reshape(emitter.expand(emitter.reshape(x, narrow), wide), std::move(result)));
}

Result<void> import_triangle(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  return node.finish(node.emitter().emit(
      Op::kTrilu, {x},
      {{"diagonal", node.integer("diagonal")}, {"upper", node.operator_name() == "triu"}}));
}

Result<void> import_pixel_shuffle(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> dims = emitter.shape(x);
  const int64_t factor = node.integer("upscale_factor");
  if (dims.size() < 3 || factor < 1) return node.bad("takes channels and two spatial axes");
  const size_t rank = dims.size();
  const auto channels = emitter.dims().exact_div(dims[rank - 3], factor * factor);
  if (!channels) return node.bad("the channels do not split into squares");
  std::vector<Dim> split(dims.begin(), dims.end() - 3);
  std::vector<Dim> result = split;
  const auto lead = static_cast<int64_t>(split.size());
  for (Dim dim : {*channels, Dim(factor), Dim(factor), dims[rank - 2], dims[rank - 1]}) {
    split.push_back(dim);
  }
  result.push_back(*channels);
  for (size_t i : {rank - 2, rank - 1}) result.push_back(emitter.dims().mul(dims[i], factor));
  std::vector<int64_t> perm = axes_from(0, lead);
  for (int64_t axis : {0, 3, 1, 4, 2}) perm.push_back(lead + axis);
  return node.finish(emitter.reshape(emitter.transpose(emitter.reshape(x, split), perm), result));
}

Result<void> import_meshgrid(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const std::vector<ValueId> axes, node.tensors("tensors"));
  const bool swaps = node.takes("indexing") && node.text("indexing") == "xy" && axes.size() > 1;
  std::vector<Dim> dims;
  for (ValueId axis : axes) dims.push_back(emitter.dims().product(emitter.shape(axis)));
  if (swaps) std::swap(dims[0], dims[1]);
  std::vector<ValueId> results;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t at = swaps && i < 2 ? 1 - i : i;
    std::vector<Dim> column(dims.size(), 1);
    column[at] = dims[at];
    TENON_TRY(ValueId one, emitter.expand(emitter.reshape(axes[i], column), dims));
    results.push_back(one);
  }
  return node.finish_all(results);
}

}  // namespace tenon::import::pt2
