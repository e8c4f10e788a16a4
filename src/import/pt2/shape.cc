// Operators that look at the same elements in another way.
#include <algorithm>
#include <limits>

#include "import/axes.h"
#include "import/build.h"
#include "import/pt2/operators.h"
#include "import/pt2/views.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// Sizes one of which may be -1: what is left.
Result<std::vector<Dim>> completed(NodeContext& node, const std::vector<Dim>& from,
                                   std::vector<Dim> sizes) {
  ir::Dims& dims = node.emitter().dims();
  const auto open = std::ranges::find(sizes, Dim(-1));
  if (open == sizes.end()) return sizes;
  std::vector<Dim> others = sizes;
  others.erase(others.begin() + (open - sizes.begin()));
  if (std::ranges::count(others, Dim(-1)) > 0) return node.bad("has two sizes of -1");
  const Dim whole = dims.product(from), rest = dims.product(others);
  if (rest.is(0)) return node.bad("cannot tell the size that is -1");
  const auto exact = dims.exact_div(whole, rest);
  if (!exact && whole.is_constant() && rest.is_constant()) {
    return fail(
        ErrorKind::kBadShape,
        fmt::format("cannot reshape {} elements into rows of {}", whole.value(), rest.value()),
        node.emitter().where());
  }
  *open = exact ? *exact : dims.floor_div(whole, rest);
  return sizes;
}

Result<void> finish_reshape(NodeContext& node, const std::vector<Dim>& dims, bool certain = true) {
  TENON_TRY(ValueId x, node.tensor("self"));
  View view = reshape_view(node.emitter(), node.emitter().shape(x), dims);
  view.certain = certain;
  return node.finish_view("self", std::move(view));
}

Result<void> finish_permuted(NodeContext& node, std::vector<int64_t> perm) {
  return node.finish_view("self", transpose_view(node.emitter(), std::move(perm)));
}

}  // namespace

Result<void> import_alias(NodeContext& node) { return node.finish_view("self", alias_view()); }

Result<void> import_contiguous(NodeContext& node) {
  View view = alias_view();
  view.certain = false;
  return node.finish_view("self", std::move(view));
}

Result<void> import_clone(NodeContext& node) { return node.finish(node.tensor("self")); }

Result<void> import_view(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(std::vector<Dim> dims, completed(node, node.emitter().shape(x), node.dims("size")));
  return finish_reshape(node, dims);
}

Result<void> import_unsafe_view(NodeContext& node) { return import_view(node); }

Result<void> import_view_as(NodeContext& node) {
  TENON_TRY(ValueId other, node.tensor("other"));
  return finish_reshape(node, node.emitter().shape(other), false);
}

Result<void> import_reshape(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(std::vector<Dim> dims, completed(node, node.emitter().shape(x), node.dims("shape")));
  return finish_reshape(node, dims, false);
}

Result<void> import_flatten(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> dims = emitter.shape(x);
  TENON_TRY(int64_t first, node.axis(node.integer("start_dim"), emitter.rank(x)));
  TENON_TRY(int64_t last, node.axis(node.integer("end_dim"), emitter.rank(x)));
  if (dims.empty()) return finish_reshape(node, {1}, false);
  if (last < first) return node.bad("ends before it starts");
  std::vector<Dim> flat(dims.begin(), dims.begin() + first);
  flat.push_back(emitter.dims().product(
      std::span(dims).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first + 1))));
  flat.insert(flat.end(), dims.begin() + last + 1, dims.end());
  return finish_reshape(node, flat, false);
}

Result<void> import_unflatten(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  std::vector<Dim> dims = emitter.shape(x);
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  if (dims.empty()) return node.bad("takes a tensor with axes");
  const auto at = dims.begin() + axis;
  TENON_TRY(std::vector<Dim> parts, completed(node, {*at}, node.dims("sizes")));
  dims.insert(dims.erase(at), parts.begin(), parts.end());
  return finish_reshape(node, dims);
}

Result<void> import_unsqueeze(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  std::vector<Dim> dims = node.emitter().shape(x);
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), node.emitter().rank(x) + 1));
  dims.insert(dims.begin() + axis, 1);
  return finish_reshape(node, dims);
}

namespace {

Result<void> squeeze(NodeContext& node, std::vector<int64_t> axes) {
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> dims = node.emitter().shape(x);
  TENON_TRY(axes, node.axes(std::move(axes), node.emitter().rank(x)));
  std::vector<Dim> rest;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool named = std::ranges::count(axes, static_cast<int64_t>(i)) > 0;
    if (!named || !dims[i].is(1)) rest.push_back(dims[i]);
  }
  return finish_reshape(node, rest);
}

}  // namespace

Result<void> import_squeeze(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  return squeeze(node, axes_from(0, node.emitter().rank(x)));
}

Result<void> import_squeeze_dims(NodeContext& node) { return squeeze(node, node.integers("dim")); }

Result<void> import_permute(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  TENON_TRY(std::vector<int64_t> perm, node.axes(node.integers("dims"), node.emitter().rank(x)));
  if (static_cast<int64_t>(perm.size()) != node.emitter().rank(x)) {
    return node.bad("does not name every axis");
  }
  return finish_permuted(node, std::move(perm));
}

namespace {

Result<void> swap_axes(NodeContext& node, int64_t a, int64_t b) {
  TENON_TRY(ValueId x, node.tensor("self"));
  const int64_t rank = node.emitter().rank(x);
  TENON_TRY(a, node.axis(a, rank));
  TENON_TRY(b, node.axis(b, rank));
  std::vector<int64_t> perm = axes_from(0, rank);
  if (rank > 0) std::swap(perm[static_cast<size_t>(a)], perm[static_cast<size_t>(b)]);
  return finish_permuted(node, std::move(perm));
}

}  // namespace

Result<void> import_transpose(NodeContext& node) {
  return swap_axes(node, node.integer("dim0"), node.integer("dim1"));
}

Result<void> import_t(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  const int64_t rank = node.emitter().rank(x);
  if (rank > 2) return node.bad("takes at most two axes");
  return rank < 2 ? import_alias(node) : swap_axes(node, 0, 1);
}

Result<void> import_swap_last(NodeContext& node) { return swap_axes(node, -1, -2); }

Result<void> import_movedim(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  const int64_t rank = node.emitter().rank(x);
  TENON_TRY(std::vector<int64_t> from, node.axes(node.integers("source"), rank));
  TENON_TRY(std::vector<int64_t> to, node.axes(node.integers("destination"), rank));
  if (from.size() != to.size()) return node.bad("moves other axes than it names");
  std::vector<int64_t> perm(static_cast<size_t>(rank), -1);
  for (size_t i = 0; i < from.size(); ++i) perm[static_cast<size_t>(to[i])] = from[i];
  int64_t next = 0;
  for (int64_t& axis : perm) {
    if (axis >= 0) continue;
    while (std::ranges::count(from, next) > 0) ++next;
    axis = next++;
  }
  return finish_permuted(node, std::move(perm));
}

Result<void> import_expand(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.tensor("self"));
  const std::vector<Dim> from = emitter.shape(x);
  std::vector<Dim> dims = node.dims("size");
  if (dims.size() < from.size()) return node.bad("has fewer sizes than its operand has axes");
  const size_t added = dims.size() - from.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!dims[i].is(-1)) continue;
    if (i < added) return node.bad("a new axis has no size");
    dims[i] = from[i - added];
  }
  View view = {.read = [&emitter, dims](Operand base) { return emitter.expand(base, dims); },
               .write = nullptr};
  if (dims == from) view = alias_view();
  return node.finish_view("self", std::move(view));
}

Result<void> import_expand_as(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId other, node.tensor("other"));
  return node.finish_view("self", {.read = [&emitter, dims = emitter.shape(other)](
                                               Operand base) { return emitter.expand(base, dims); },
                                   .write = nullptr});
}

namespace {

/// The shape of the operand `self`, which has axes, and its axis `dim`.
struct Along {
  std::vector<Dim> dims;
  int64_t axis;
  Dim size() const { return dims[static_cast<size_t>(axis)]; }
};

Result<Along> along_dim(NodeContext& node) {
  TENON_TRY(ValueId x, node.tensor("self"));
  std::vector<Dim> dims = node.emitter().shape(x);
  if (dims.empty()) return node.bad("takes a tensor with axes");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), static_cast<int64_t>(dims.size())));
  return Along{std::move(dims), axis};
}

}  // namespace

Result<void> import_slice(NodeContext& node) {
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  TENON_TRY(const Along self, along_dim(node));
  const int64_t step = node.integer("step");
  if (step < 1) return node.bad("a step below 1");
  const Dim start = node.has("start") ? node.dim("start") : Dim(0);
  const Dim end = node.has("end") ? node.dim("end") : Dim(kEnd);
  return node.finish_view("self",
                          slice_view(node.emitter(), self.dims, self.axis, start, end, step));
}

namespace {

/// The view of one position along an axis, without that axis.
View select_view(Emitter& emitter, const std::vector<Dim>& from, int64_t axis, Dim index) {
  std::vector<Dim> narrow = from, rest = from;
  narrow[static_cast<size_t>(axis)] = 1;
  rest.erase(rest.begin() + axis);
  return chain(slice_view(emitter, from, axis, index, emitter.dims().add(index, 1), 1),
               reshape_view(emitter, narrow, rest));
}

}  // namespace

Result<void> import_select(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  Emitter& emitter = node.emitter();
  const Dim whole = self.size();
  Dim index = node.dim("index");
  if (index.is_constant() && index.value() < 0) index = emitter.dims().add(index, whole);
  if (index.is_constant() && whole.is_constant() &&
      (index.value() < 0 || index.value() >= whole.value())) {
    return node.bad(fmt::format("index {} of an axis of {}", index.value(), whole.value()));
  }
  return node.finish_view("self", select_view(emitter, self.dims, self.axis, index));
}

Result<void> import_unbind(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  const Dim count = self.size();
  if (!count.is_constant()) return node.unsupported("parts of an axis of open size");
  for (int64_t i = 0; i < count.value(); ++i) {
    TENON_TRY_DO(node.finish_view("self", select_view(node.emitter(), self.dims, self.axis, i)));
  }
  return {};
}

namespace {

/// Views of parts of these sizes.
Result<void> split(NodeContext& node, const Along& self, const std::vector<Dim>& sizes) {
  Emitter& emitter = node.emitter();
  Dim start = 0;
  for (Dim size : sizes) {
    const Dim end = emitter.dims().add(start, size);
    TENON_TRY_DO(
        node.finish_view("self", slice_view(emitter, self.dims, self.axis, start, end, 1)));
    start = end;
  }
  return {};
}

/// The sizes of equal parts, the last one what is left.
Result<void> split_evenly(NodeContext& node, const Along& self, int64_t size) {
  const Dim whole = self.size();
  if (size < 1) return node.bad("parts without elements");
  if (!whole.is_constant()) return node.unsupported("parts of an axis of open size");
  std::vector<Dim> sizes;
  for (int64_t start = 0; start < whole.value(); start += size) {
    sizes.emplace_back(std::min(size, whole.value() - start));
  }
  return split(node, self, sizes);
}

}  // namespace

Result<void> import_split(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  if (node.argument("split_size").get<std::vector<Value>>()) {
    return split(node, self, node.dims("split_size"));
  }
  return split_evenly(node, self, node.integer("split_size"));
}

Result<void> import_chunk(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  const int64_t chunks = node.integer("chunks");
  const Dim whole = self.size();
  if (chunks < 1) return node.bad("fewer than one part");
  if (!whole.is_constant()) return node.unsupported("parts of an axis of open size");
  return split_evenly(node, self, (whole.value() + chunks - 1) / chunks);
}

Result<void> import_split_with_sizes(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  return split(node, self, node.dims("split_sizes"));
}

Result<void> import_narrow(NodeContext& node) {
  TENON_TRY(const Along self, along_dim(node));
  Emitter& emitter = node.emitter();
  const Dim start = node.dim("start");
  return node.finish_view("self", slice_view(emitter, self.dims, self.axis, start,
                                             emitter.dims().add(start, node.dim("length")), 1));
}

}  // namespace tenon::import::pt2
