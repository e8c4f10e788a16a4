// Sequences: lists of values that are known when the model is compiled, so that none is left in the
// graph.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::ValueId;

namespace {

constexpr int64_t kMostElements = 10'000;

/// The position in a list of `size` elements that operand i means; the last one where it is absent.
Result<size_t> position(NodeContext& node, size_t i, size_t size, int64_t otherwise) {
  int64_t at = otherwise;
  if (node.has_input(i)) {
    TENON_TRY(at, node.integer_input(i, "positions"));
  }
  const auto count = static_cast<int64_t>(size);
  if (at < 0) at += count;
  if (at < 0 || at >= count) {
    return node.bad(fmt::format("position {} of a list of {} elements", at, count));
  }
  return static_cast<size_t>(at);
}

}  // namespace

Result<void> import_sequence_empty(NodeContext& node) {
  node.set_list(0, {});
  return {};
}

Result<void> import_sequence_construct(NodeContext& node) {
  List list;
  for (size_t i = 0; i < node.input_count(); ++i) {
    TENON_TRY(const ValueId element, node.input(i));
    list.push_back(element);
  }
  node.set_list(0, std::move(list));
  return {};
}

Result<void> import_sequence_insert(NodeContext& node) {
  TENON_TRY(List list, node.list_input(0));
  TENON_TRY(const ValueId element, node.input(1));
  const size_t slots = list.size() + 1;
  TENON_TRY(const size_t at, position(node, 2, slots, static_cast<int64_t>(list.size())));
  list.insert(list.begin() + static_cast<std::ptrdiff_t>(at), element);
  node.set_list(0, std::move(list));
  return {};
}

Result<void> import_sequence_erase(NodeContext& node) {
  TENON_TRY(List list, node.list_input(0));
  TENON_TRY(const size_t at, position(node, 1, list.size(), -1));
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
  node.set_list(0, std::move(list));
  return {};
}

Result<void> import_sequence_at(NodeContext& node) {
  TENON_TRY(const List list, node.list_input(0));
  TENON_TRY(const size_t at, position(node, 1, list.size(), -1));
  return node.finish(list[at]);
}

Result<void> import_sequence_length(NodeContext& node) {
  TENON_TRY(const List list, node.list_input(0));
  return node.finish(
      node.emitter().from_elements({DType::kInt64, {}}, {Dim(static_cast<int64_t>(list.size()))}));
}

/// Pieces of x along an axis: of one size, of the sizes given, or of one element without the axis.
Result<void> import_split_to_sequence(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  TENON_TRY(const int64_t axis, node.axis(node.integer("axis", 0), emitter.rank(x)));
  const Dim extent = emitter.shape(x)[static_cast<size_t>(axis)];
  if (!extent.is_constant()) return node.unsupported("SplitToSequence of an axis of open size");
  std::vector<int64_t> sizes;
  if (node.has_input(1)) {
    TENON_TRY(sizes, node.integers_input(1, "sizes"));
  }
  const bool is_uniform = !node.has_input(1) || emitter.rank(node.optional_input(1)) == 0;
  if (is_uniform) {
    const int64_t size = sizes.empty() ? 1 : sizes[0];
    if (size < 1 || extent.value() / size > kMostElements) {
      return node.bad(fmt::format("splits {} elements into pieces of {}", extent.value(), size));
    }
    sizes.clear();
    for (int64_t left = extent.value(); left > 0; left -= size) {
      sizes.push_back(std::min(left, size));
    }
  }
  const bool keeps_axis = node.has_input(1) || node.flag("keepdims", true);
  List list;
  int64_t start = 0;
  for (int64_t size : sizes) {
    if (size < 0 || size > extent.value() - start) return node.bad("splits beyond its operand");
    Emitter::Operand piece = emitter.slice(x, axis, start, start + size);
    if (!keeps_axis) {
      std::vector<Dim> dims = emitter.shape(x);
      dims.erase(dims.begin() + axis);
      piece = emitter.reshape(std::move(piece), std::move(dims));
    }
    TENON_TRY(const ValueId element, std::move(piece));
    list.push_back(element);
    start += size;
  }
  node.set_list(0, std::move(list));
  return {};
}

Result<void> import_concat_from_sequence(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const List list, node.list_input(0));
  if (list.empty()) return node.unsupported("ConcatFromSequence of an empty list");
  const bool is_new = node.flag("new_axis", false);
  const int64_t rank = emitter.rank(list.front()) + (is_new ? 1 : 0);
  TENON_TRY(const int64_t axis, node.axis(node.integer("axis", 0), rank));
  std::vector<Emitter::Operand> parts;
  for (ValueId element : list) {
    std::vector<Dim> dims = emitter.shape(element);
    if (static_cast<int64_t>(dims.size()) != rank - (is_new ? 1 : 0)) {
      return node.bad("elements of its list differ in rank");
    }
    if (is_new) dims.insert(dims.begin() + axis, 1);
    parts.push_back(emitter.reshape(element, std::move(dims)));
  }
  return node.finish(emitter.concat(parts, axis));
}

}  // namespace tenon::import::onnx
