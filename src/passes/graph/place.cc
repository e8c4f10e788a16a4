#include "passes/graph/place.h"

#include <algorithm>
#include <numeric>
#include <ranges>
#include <unordered_map>
#include <unordered_set>

#include "base/contains.h"
#include "ops/op.h"
#include "ops/view.h"
#include "passes/graph/group.h"
#include "passes/graph/readers.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Dims;
using ir::Group;
using ir::Module;
using ir::Node;
using ir::NodeId;
using ir::Op;
using ir::Placement;
using ir::ValueId;
using schedule::OperandLayout;

std::vector<int> row_major(size_t rank) {
  std::vector<int> order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int> channels_last(size_t rank) {
  std::vector<int> order = {0};
  for (size_t axis = 2; axis < rank; ++axis) order.push_back(static_cast<int>(axis));
  order.push_back(1);
  return order;
}

/// The larger of two halos, where an empty one is none.
std::vector<int64_t> united(std::vector<int64_t> a, const std::vector<int64_t>& b) {
  if (a.empty()) return b;
  for (size_t i = 0; i < b.size(); ++i) a[i] = std::max(a[i], b[i]);
  return a;
}

class Placer {
 public:
  Placer(Module& module, const Target& target) : module_(module), target_(target) {}

  void run() {
    split_outputs();
    readers_ = readers_of(module_);
    find_wishes();
    find_parents();
    placements().resize(module_.value_count());
    for (ValueId input : module_.graph.inputs) own(input, row_major(rank(input)), {});
    std::vector<Group> groups = std::move(module_.groups);
    for (Group& group : groups) place_group(std::move(group));
    for (const ir::ReadSize& read : module_.read_sizes) ensure_placed(read.value);
    for (ValueId& output : module_.graph.outputs) finish_output(output);
    module_.groups = std::move(placed_);
    ir::clean_up(module_);
  }

 private:
  std::vector<Placement>& placements() { return module_.placements; }
  Placement& placement(ValueId value) { return module_.placements[value.index]; }
  const std::vector<Dim>& shape(ValueId value) const { return module_.value(value).type.dims; }
  size_t rank(ValueId value) const { return shape(value).size(); }
  bool is_output(ValueId value) const { return contains(module_.graph.outputs, value); }

  NodeId make_copy(ValueId from) {
    const Node* producer = module_.producer(from) ? &module_.node(module_.producer(from)) : nullptr;
    NodeId copy = module_.make_node(Op::kCopy, {from}, {}, {module_.value(from).type},
                                    producer ? producer->origin : ir::OriginId());
    module_.graph.nodes.push_back(copy);
    return copy;
  }

  /// An output that is no kernel's own result (an input, a constant, a view, a concatenation, or
  /// put out twice) becomes a copy, before anything is placed.
  void split_outputs() {
    std::vector<ValueId> seen;
    for (ValueId& output : module_.graph.outputs) {
      NodeId producer = module_.producer(output);
      const bool kernel = producer && has_kernel(producer) && !contains(seen, output);
      if (!kernel) {
        NodeId copy = make_copy(output);
        module_.groups.push_back({{copy}, copy});
        output = module_.node(copy).outputs[0];
      }
      seen.push_back(output);
    }
  }

  bool has_kernel(NodeId node) const {
    const ops::Traits& traits = ops::operator_of(module_.node(node).op).traits;
    return !traits.leaf && !traits.view && module_.node(node).op != Op::kConcat;
  }

  /// What the recipes that read a value directly would like its memory to be.
  void find_wishes() {
    for (const Group& group : module_.groups) {
      for (NodeId anchor : anchors(group)) find_wishes(group, module_.node(anchor));
    }
  }

  void find_wishes(const Group& group, const Node& node) {
    const schedule::Recipe* recipe = schedule::find_recipe(module_, node, target_);
    if (!recipe) return;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!node.inputs[k] || made_in(group, node.inputs[k])) continue;
      OperandLayout layout = recipe->operand_layout(module_, node, static_cast<int>(k));
      if (!layout.channels_last) continue;
      std::vector<int64_t>& halo = wishes_[node.inputs[k]];
      halo = united(std::move(halo), layout.halo);
      wish_for_whole(node.inputs[k]);
    }
  }

  /// The nodes of a group that recipes take.
  std::vector<NodeId> anchors(const Group& group) const {
    std::vector<NodeId> nodes = {producer_of(module_, group).anchor, group.anchor};
    std::erase(nodes, NodeId());
    return nodes;
  }

  /// What a part is wanted to be, the value that it is cut from had better be too.
  void wish_for_whole(ValueId part) {
    while (module_.is(part, Op::kSlice)) {
      part = module_.node(module_.producer(part)).inputs[0];
      wishes_.try_emplace(part);
    }
  }

  /// Parts of concatenations are made right in the place where the whole will lie. The last
  /// concatenation that reads a value takes it; an earlier one whose parts then lie side by side
  /// becomes a view (DenseNet's growing lists).
  void find_parents() {
    const auto& nodes = module_.graph.nodes;
    std::unordered_map<NodeId, size_t> position;
    for (size_t i = 0; i < nodes.size(); ++i) position[nodes[i]] = i;
    for (const NodeId id : std::views::reverse(nodes)) {
      const Node& node = module_.node(id);
      if (node.op != Op::kConcat) continue;
      const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
      // Where parts lie is known once the sizes that the whole has are.
      size_t known = 0;
      if (const auto outer = parents_.find(node.outputs[0]); outer != parents_.end()) {
        known = outer->second.known;
      }
      for (ValueId size : module_.sizes_of(id)) {
        if (module_.producer(size))
          known = std::max(known, position.at(module_.producer(size)) + 1);
      }
      Dim start = 0;
      for (ValueId part : node.inputs) {
        NodeId producer = module_.producer(part);
        const bool may = producer &&
                         (has_kernel(producer) || module_.node(producer).op == Op::kConcat) &&
                         position.at(producer) >= known && !is_output(part) &&
                         std::ranges::count(node.inputs, part) == 1;
        if (may) parents_.try_emplace(part, Parent{node.outputs[0], axis, start, known});
        start = module_.dims.add(start, shape(part)[axis]);
      }
    }
  }

  // ---- Storage ----

  void own(ValueId value, const std::vector<int>& order, std::vector<int64_t> halo) {
    Dims& dims = module_.dims;
    const std::vector<Dim>& sizes = shape(value);
    const size_t n = sizes.size();
    if (std::ranges::all_of(halo, [](int64_t h) { return h == 0; })) halo.clear();
    Placement place;
    place.storage = value;
    place.strides.resize(n);
    place.halo = halo;
    Dim stride = 1;
    for (const int axis : std::views::reverse(order)) {
      place.strides[axis] = stride;
      Dim padded = sizes[axis];
      if (!halo.empty()) {
        padded = dims.add(padded, Dim(halo[axis] + halo[n + axis]));
        place.offset = dims.add(place.offset, dims.mul(Dim(halo[axis]), stride));
      }
      stride = dims.mul(stride, padded);
    }
    place.size = stride;
    placement(value) = std::move(place);
  }

  bool placed(ValueId value) { return static_cast<bool>(placement(value).storage); }

  /// Makes sure that a value which a group is about to read has a place.
  void ensure_placed(ValueId value) {
    NodeId producer = module_.producer(value);
    // A concatenation has its place as soon as one part is made; the other parts are seen to here.
    const bool joins = producer && module_.node(producer).op == Op::kConcat;
    if (joins ? !joined_.insert(value).second : placed(value)) return;
    TENON_CHECK(producer && !has_kernel(producer), "a kernel's result is placed before it is read");
    const Node& node = module_.node(producer);
    if (ops::operator_of(node.op).traits.leaf) return own(value, row_major(rank(value)), {});
    if (joins) return place_concat(value, node);
    place_view(value, producer);
  }

  void place_view(ValueId value, NodeId producer) {
    const ValueId base = module_.node(producer).inputs[0];
    ensure_placed(base);
    const Placement from = placement(base);
    if (auto view = ops::view_of(module_, module_.node(producer), {from.offset, from.strides})) {
      Placement place{from.storage, view->offset, view->strides, {}, {}};
      if (keeps_halo(module_.node(producer), from)) place.halo = from.halo;
      placement(value) = std::move(place);
      return;
    }
    // A reshape that memory cannot follow: its result owns memory, and a copy writes there under
    // the operand's shape.
    own_result(value, row_major(rank(value)));
    std::optional<std::vector<Dim>> back =
        ops::reshape_strides(module_.dims, shape(value), placement(value).strides, shape(base));
    if (!back || parents_.contains(value)) {
      own(value, row_major(rank(value)), {});
      back = dense_strides(shape(base));
      require_equal_counts(value, base);
    }
    NodeId copy = make_copy(base);
    placements().resize(module_.value_count());
    const ValueId copied = module_.node(copy).outputs[0];
    placement(copied) = Placement{placement(value).storage, placement(value).offset, *back, {}, {}};
    module_.node(producer).inputs[0] = copied;
    placed_.push_back({{copy}, copy});
  }

  std::vector<Dim> dense_strides(const std::vector<Dim>& sizes) {
    std::vector<Dim> strides(sizes.size());
    Dim stride = 1;
    for (size_t axis = sizes.size(); axis-- > 0;) {
      strides[axis] = stride;
      stride = module_.dims.mul(stride, sizes[axis]);
    }
    return strides;
  }

  /// Where the sizes of a call decide whether a reshape has as many elements as its operand, the
  /// size of its storage has no value if not: a division by 1 - |difference|, which is then
  /// below 1.
  void require_equal_counts(ValueId value, ValueId base) {
    Dims& dims = module_.dims;
    const Dim difference = dims.sub(dims.product(shape(value)), dims.product(shape(base)));
    if (difference.is(0)) return;
    const Dim distance = dims.max(difference, dims.sub(0, difference));
    const Dim one = dims.floor_div(1, dims.sub(1, distance));
    placement(value).size = dims.mul(placement(value).size, one);
  }

  static bool keeps_halo(const Node& node, const Placement& from) {
    if (node.op != Op::kSlice || from.halo.empty()) return false;
    const size_t n = from.strides.size();
    for (size_t axis = 0; axis < n; ++axis) {
      const bool padded = from.halo[axis] != 0 || from.halo[n + axis] != 0;
      if (padded &&
          (!node.attrs.dims("starts")[axis].is(0) || node.attrs.integers("steps")[axis] != 1))
        return false;
    }
    return true;
  }

  /// The parts that are not in place yet are copied there.
  void place_concat(ValueId whole, const Node& concat) {
    const auto axis = static_cast<size_t>(concat.attrs.integer("axis"));
    const std::vector<ValueId> parts = concat.inputs;
    for (ValueId part : parts) ensure_placed(part);
    if (becomes_view(whole, parts, axis)) return;
    if (!placed(whole)) own_result(whole, order_like(parts, rank(whole)));
    Dim start = 0;
    for (size_t k = 0; k < parts.size(); ++k) {
      const ValueId part = parts[k];
      Placement there = part_of(whole, axis, start);
      if (placement(part).storage != there.storage || placement(part).offset != there.offset) {
        NodeId copy = make_copy(part);
        placements().resize(module_.value_count());
        const ValueId copied = module_.node(copy).outputs[0];
        placement(copied) = there;
        module_.node(module_.producer(whole)).inputs[k] = copied;
        placed_.push_back({{copy}, copy});
      }
      start = module_.dims.add(start, shape(part)[axis]);
    }
  }

  /// Whether the parts already lie side by side in one storage: then the whole is a view of it.
  bool becomes_view(ValueId whole, const std::vector<ValueId>& parts, size_t axis) {
    if (placed(whole)) return false;
    const Placement first = placement(parts[0]);
    Dim start = 0;
    for (ValueId part : parts) {
      const Placement& place = placement(part);
      const Dim offset =
          module_.dims.add(first.offset, module_.dims.mul(start, first.strides[axis]));
      if (place.storage != first.storage || place.offset != offset ||
          place.strides != first.strides)
        return false;
      start = module_.dims.add(start, shape(part)[axis]);
    }
    if (parents_.contains(whole) && parents_.at(whole).whole != first.storage) return false;
    const auto wish = wishes_.find(whole);
    if (wish != wishes_.end() && !covers(first.halo, wish->second)) return false;
    placement(whole) = Placement{first.storage, first.offset, first.strides, {}, first.halo};
    return true;
  }

  Placement part_of(ValueId whole, size_t axis, Dim start) {
    const Placement& place = placement(whole);
    Dim offset = module_.dims.add(place.offset, module_.dims.mul(start, place.strides[axis]));
    return Placement{place.storage, offset, place.strides, {}, place.halo};
  }

  /// A place for a kernel's result: inside the concatenation that it is a part of, or its own
  /// memory.
  void own_result(ValueId value, std::vector<int> order) {
    std::vector<int64_t> halo;
    if (auto wish = wishes_.find(value); wish != wishes_.end()) {
      order = channels_last(rank(value));
      halo = wish->second;
    }
    auto parent = parents_.find(value);
    if (parent == parents_.end()) return own(value, order, std::move(halo));
    const ValueId whole = parent->second.whole;
    if (!placed(whole)) {
      // The first part that is made decides the whole's order; halos of all parts and of the whole
      // are united.
      const Node& concat = module_.node(module_.producer(whole));
      std::vector<int64_t>& wish = wishes_[whole];
      bool wished = !wish.empty() || wishes_.contains(value);
      for (ValueId part : concat.inputs) {
        auto found = wishes_.find(part);
        if (found == wishes_.end()) continue;
        wished = true;
        wish = united(std::move(wish), found->second);
      }
      if (!wished) wishes_.erase(whole);
      own_result(whole, order);
    }
    placement(value) = part_of(whole, parent->second.axis, parent->second.start);
  }

  // ---- Groups ----

  void place_group(Group group) {
    const schedule::Recipe* recipe = nullptr;  // of the anchor
    for (NodeId anchor : anchors(group)) {
      recipe = schedule::find_recipe(module_, module_.node(anchor), target_);
      for (size_t k = 0; k < module_.node(anchor).inputs.size(); ++k) {
        const ValueId operand = module_.node(anchor).inputs[k];
        if (!operand || made_in(group, operand)) continue;
        ensure_placed(operand);
        if (is_foreign(group)) module_.node(anchor).inputs[k] = dense(operand);
        const OperandLayout layout =
            recipe ? recipe->operand_layout(module_, module_.node(anchor), static_cast<int>(k))
                   : naive_layout(module_.node(anchor), k);
        if (!serves(operand, layout)) {
          const ValueId copy = copy_for(operand, layout);
          module_.node(anchor).inputs[k] = copy;
        }
      }
    }
    for (ValueId operand : group_operands(module_, group)) ensure_placed(operand);
    for (ValueId result : results(group)) {
      if (is_foreign(group)) {
        own(result, row_major(rank(result)), {});
      } else {
        own_result(result, result_order(group, recipe, result));
      }
    }
    placed_.push_back(std::move(group));
  }

  /// A normalisation goes through its last axes three times, of which one is beside itself in
  /// memory.
  OperandLayout naive_layout(const Node& node, size_t operand) {
    OperandLayout layout;
    if ((node.op != Op::kLayerNorm && node.op != Op::kRmsNorm) || operand > 0) return layout;
    const auto n = static_cast<int64_t>(rank(node.inputs[0]));
    for (int64_t axis = n - node.attrs.integer("axes"); axis < n; ++axis) {
      if (placement(node.inputs[0]).strides[axis].is(1)) return layout;
    }
    layout.unit_axis = static_cast<int>(n) - 1;
    return layout;
  }

  bool is_foreign(const Group& group) const {
    return group.anchor && ops::operator_of(module_.node(group.anchor).op).traits.foreign;
  }

  /// The value, or a copy of it, in row-major memory of its own.
  ValueId dense(ValueId value) {
    const Placement& place = placement(value);
    if (place.storage == value && place.halo.empty() &&
        place.strides == dense_strides(shape(value))) {
      return value;
    }
    return new_copy(value, row_major(rank(value)), {});
  }

  static bool made_in_nodes(const Module& module, const Group& group, ValueId value) {
    return contains(group.nodes, module.producer(value));
  }
  bool made_in(const Group& group, ValueId value) const {
    return made_in_nodes(module_, group, value);
  }

  std::vector<ValueId> results(const Group& group) const {
    if (group.nodes.size() == 1) return module_.node(group.nodes[0]).outputs;
    return {group_result(module_, group)};
  }

  bool covers(const std::vector<int64_t>& halo, const std::vector<int64_t>& wanted) const {
    if (std::ranges::all_of(wanted, [](int64_t h) { return h == 0; })) return true;
    if (halo.empty()) return false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (halo[i] < wanted[i]) return false;
    }
    return true;
  }

  bool serves(ValueId value, const OperandLayout& layout) {
    const Placement& place = placement(value);
    if (layout.unit_axis >= 0 && !place.strides[layout.unit_axis].is(1) &&
        !shape(value)[layout.unit_axis].is(1)) {
      return false;
    }
    if (!layout.channels_last) return true;
    return (place.strides[1].is(1) || shape(value)[1].is(1)) && covers(place.halo, layout.halo);
  }

  /// A copy of the value in the layout, made once for all who ask for it.
  ValueId copy_for(ValueId value, const OperandLayout& layout) {
    for (ValueId copy : copies_[value]) {
      if (serves(copy, layout)) return copy;
    }
    std::vector<int> order = row_major(rank(value));
    std::vector<int64_t> halo;
    if (layout.channels_last) {
      order = channels_last(rank(value));
      halo = layout.halo;
      if (auto wish = wishes_.find(value); wish != wishes_.end())
        halo = united(std::move(halo), wish->second);
    } else if (layout.unit_axis >= 0) {
      std::erase(order, layout.unit_axis);
      order.push_back(layout.unit_axis);
    }
    copies_[value].push_back(new_copy(value, order, std::move(halo)));
    return copies_[value].back();
  }

  ValueId new_copy(ValueId value, const std::vector<int>& order, std::vector<int64_t> halo) {
    const NodeId node = make_copy(value);
    placements().resize(module_.value_count());
    const ValueId copy = module_.node(node).outputs[0];
    own(copy, order, std::move(halo));
    placed_.push_back({{node}, node});
    return copy;
  }

  std::vector<int> result_order(const Group& group, const schedule::Recipe* recipe,
                                ValueId result) {
    const size_t n = rank(result);
    if (recipe && recipe->channels_last_result) return channels_last(n);
    if (is_output(result)) return row_major(n);
    if (auto order = order_for_transpose(result)) return *order;
    if (recipe) return row_major(n);
    std::vector<ValueId> operands =
        group.anchor ? module_.node(group.anchor).inputs : group_operands(module_, group);
    std::erase_if(operands, [&](ValueId v) { return !v || !placed(v) || rank(v) != n; });
    if (group.anchor) {
      if (!operands.empty() && operands[0] == module_.node(group.anchor).inputs[0]) {
        return order_like({operands[0]}, n);
      }
      return row_major(n);
    }
    std::erase_if(operands, [&](ValueId v) { return shape(v) != shape(result); });
    return order_like(operands, n);
  }

  std::vector<int> order_like(const std::vector<ValueId>& values, size_t n) {
    for (ValueId value : values) {
      const Placement& place = placement(value);
      bool repeated = !place.storage;
      for (size_t axis = 0; axis < place.strides.size(); ++axis) {
        repeated |= place.strides[axis].is(0) && !shape(value)[axis].is(1);
      }
      if (!repeated) return memory_order(module_.dims, shape(value), place.strides);
    }
    return row_major(n);
  }

  /// When the only reader transposes the value, it is laid out so that the transposed view is
  /// row-major, as long as the last axis stays innermost.
  std::optional<std::vector<int>> order_for_transpose(ValueId value) const {
    if (value.index >= readers_.size() || readers_[value.index].size() != 1) return std::nullopt;
    const Node& reader = module_.node(readers_[value.index][0]);
    if (reader.op != Op::kTranspose) return std::nullopt;
    const auto& perm = reader.attrs.integers("perm");
    if (perm.empty() || perm.back() != static_cast<int64_t>(perm.size()) - 1) return std::nullopt;
    return std::vector<int>(perm.begin(), perm.end());
  }

  /// An output whose kernel wants another layout gets a row-major copy.
  void finish_output(ValueId& output) {
    const Placement& place = placement(output);
    if (place.storage == output && place.halo.empty()) {
      const std::vector<int> order = memory_order(module_.dims, shape(output), place.strides);
      if (order == row_major(rank(output))) return;
    }
    output = new_copy(output, row_major(rank(output)), {});
  }

  struct Parent {
    ValueId whole;
    size_t axis;
    Dim start;     // along the axis
    size_t known;  // the first position of a node that may write there
  };

  Module& module_;
  const Target& target_;
  std::vector<std::vector<NodeId>> readers_;  // by value, of the graph before copies
  std::unordered_map<ValueId, std::vector<int64_t>> wishes_;  // channels last, with this halo
  std::unordered_map<ValueId, Parent> parents_;
  std::unordered_set<ValueId> joined_;  // concatenations all of whose parts are in place
  std::unordered_map<ValueId, std::vector<ValueId>> copies_;
  std::vector<Group> placed_;
};

}  // namespace

std::vector<int> memory_order(const Dims& dims, const std::vector<Dim>& shape,
                              const std::vector<Dim>& strides) {
  constexpr int64_t kLarge = 64;
  std::map<std::string, int64_t> symbols;
  auto number = [&](Dim dim) {
    for (const std::string& symbol : dims.symbols(dim)) symbols.emplace(symbol, kLarge);
    return dims.evaluate(dim, symbols);
  };
  std::vector<int> order = row_major(shape.size());
  std::vector<int64_t> sizes, steps;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    sizes.push_back(number(shape[axis]));
    steps.push_back(std::abs(number(strides[axis])));
  }
  // An axis of size 1 has no say: it stays beside its neighbour in the order of axes.
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (sizes[axis] == 1) steps[axis] = axis + 1 < shape.size() ? steps[axis + 1] : 1;
  }
  std::ranges::stable_sort(order, std::greater(), [&](int axis) { return steps[axis]; });
  return order;
}

void place(Module& module, const Target& target) { Placer(module, target).run(); }

}  // namespace tenon::passes
