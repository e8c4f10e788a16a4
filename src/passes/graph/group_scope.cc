#include "passes/graph/group_scope.h"

#include <algorithm>
#include <set>

#include "base/contains.h"
#include "ops/meaning.h"
#include "ops/nest.h"
#include "ops/op.h"
#include "passes/graph/group.h"
#include "passes/graph/place.h"

namespace tenon::passes {

using ir::Dim;
using ir::E;
using ir::Lanes;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

/// "conv_relu" for a convolution with a fused relu.
std::string kernel_name(const ir::Module& module, const ir::Group& group) {
  std::string name;
  for (NodeId node : group.nodes) {
    if (name.size() > 40) return name;
    if (!name.empty()) name += '_';
    name += ir::info(module.node(node).op).name;
  }
  return name;
}

}  // namespace

GroupScope::GroupScope(ir::Module& module, const ir::Group& group, const Target& target)
    : GroupScope(module, group, target, std::make_shared<Parts>(kernel_name(module, group))) {
  std::map<ValueId, bool> written;  // storage -> written
  std::vector<ValueId> order;
  auto use = [&](ValueId value, bool write) {
    const ValueId storage = module.placements[value.index].storage;
    auto [it, fresh] = written.try_emplace(storage, write);
    if (fresh) order.push_back(storage);
    return it;
  };
  std::set<ValueId> read;
  for (ValueId operand : group_operands(module, group)) {
    if (module.scalar(operand)) continue;
    read.insert(use(operand, false)->first);
  }
  const bool lone = group.nodes.size() == 1;
  for (ValueId result : lone ? module.node(group.nodes[0]).outputs
                             : std::vector<ValueId>{group_result(module, group)}) {
    use(result, true)->second = true;
  }
  for (ValueId storage : order) {
    const bool reads = read.contains(storage), writes = written.at(storage);
    const ir::BufferKind kind = reads && writes ? ir::BufferKind::kInOut
                                : writes        ? ir::BufferKind::kOutput
                                                : ir::BufferKind::kInput;
    buffers_[storage] =
        builder_.buffer("b" + std::to_string(buffers_.size()), module.value(storage).type.dtype,
                        kind, dim(module.placements[storage.index].size));
    parts_->kernel.buffers.push_back(storage);
  }
  parts_->kernel.nodes = group.nodes;
}

GroupScope::GroupScope(ir::Module& module, ir::Group part, const Target& target,
                       std::shared_ptr<Parts> parts)
    : module_(module), target_(target), parts_(std::move(parts)), group_(std::move(part)) {
  ir::Group before = producer_of(module, group_);
  if (before.nodes.empty()) return;
  std::erase_if(group_.nodes, [&](NodeId node) { return contains(before.nodes, node); });
  producer_.reset(new GroupScope(module, std::move(before), target, parts_));
}

const ir::Attrs& GroupScope::attrs() const { return module_.node(group_.anchor).attrs; }

bool GroupScope::has_operand(int operand) const {
  const Node& node = module_.node(group_.anchor);
  return operand < static_cast<int>(node.inputs.size()) && node.inputs[operand];
}

const ir::TensorType& GroupScope::operand_type(int operand) const {
  return module_.value(module_.node(group_.anchor).inputs[operand]).type;
}

const ir::TensorType& GroupScope::result_type(int result) const {
  return module_.value(module_.node(group_.anchor).outputs[result]).type;
}

E GroupScope::dim(Dim dim) {
  if (dim.is_constant()) return builder_.integer(dim.value());
  for (auto& [known, param] : parts_->params) {
    if (known == dim) return param;
  }
  E param = builder_.param("n" + std::to_string(parts_->params.size()));
  parts_->params.emplace_back(dim, param);
  parts_->kernel.params.push_back(dim);
  return param;
}

bool GroupScope::made_here(ValueId value) const {
  return contains(group_.nodes, module_.producer(value));
}

E GroupScope::load(int operand, std::span<const E> index, Lanes lanes) {
  std::unordered_map<ValueId, E> known;
  return value_at(module_.node(group_.anchor).inputs[operand], {index, lanes, &known});
}

ValueId GroupScope::stored(int result) const {
  const NodeId pool = pool_of(module_, group_);
  return pool ? module_.node(pool).outputs[0] : module_.node(group_.anchor).outputs[result];
}

std::vector<int64_t> GroupScope::pooling() const {
  const NodeId pool = pool_of(module_, group_);
  return pool ? module_.node(pool).attrs.integers("kernel") : std::vector<int64_t>();
}

ValueId GroupScope::final(int result) const {
  return group_.nodes.size() == 1 ? stored(result) : group_result(module_, group_);
}

void GroupScope::store(int result, std::span<const E> index, E value, Lanes lanes) {
  std::unordered_map<ValueId, E> known;
  store_memory(final(result), {index, lanes, &known}, finished(result, index, value, lanes));
}

void GroupScope::expect_store(int result, std::span<const E> index) {
  const ValueId value = final(result);
  E lane_stride;
  const E at = address(value, {index, {}, nullptr}, &lane_stride);
  builder_.prefetch(buffers_.at(module_.placements[value.index].storage), at, true);
}

ir::LoopScope* GroupScope::producer(int operand) {
  const ValueId value = module_.node(group_.anchor).inputs[operand];
  const bool made = producer_ && group_result(module_, producer_->group_) == value;
  return made ? producer_.get() : nullptr;
}

E GroupScope::finished(int result, std::span<const E> index, E value, Lanes lanes) {
  if (group_.nodes.size() == 1) return value;
  // The epilogue reads its operands where the anchor's result is made. The result is rounded to its
  // dtype first, as if it had gone through memory.
  const ValueId made = stored(result);
  const ir::DType dtype = module_.value(made).type.dtype;
  E rounded = dtype == ir::compute_type(dtype)
                  ? value
                  : builder_.cast(builder_.cast(value, dtype), ir::compute_type(dtype));
  std::unordered_map<ValueId, E> known = {{made, builder_.let("r", rounded)}};
  return value_at(group_result(module_, group_), {index, lanes, &known});
}

E GroupScope::load_result(int result, std::span<const E> index, Lanes lanes) {
  TENON_CHECK(group_.nodes.size() == 1, "the result of a node with an epilogue is not stored");
  const ValueId made = module_.node(group_.anchor).outputs[result];
  builder_.also_reads(buffers_.at(module_.placements[made.index].storage));
  std::unordered_map<ValueId, E> known;
  return load_memory(made, {index, lanes, &known});
}

E GroupScope::value_at(ValueId value, const Point& point) {
  if (auto found = point.known->find(value); found != point.known->end()) return found->second;
  E element;
  if (made_here(value)) {
    TENON_CHECK(module_.producer(value) != group_.anchor,
                "an anchor's result is known where it is read");
    element = compute(module_.producer(value), point);
  } else if (auto number = module_.scalar(value)) {
    const ir::DType dtype = module_.value(value).type.dtype;
    const uint16_t count = static_cast<uint16_t>(point.lanes.count);
    element = builder_.literal(*number, {ir::compute_type(dtype), count});
  } else {
    element = load_memory(value, point);
  }
  point.known->emplace(value, element);
  return element;
}

E GroupScope::compute(NodeId id, const Point& point) {
  const Node& node = module_.node(id);
  std::vector<E> operands;
  for (ValueId input : node.inputs) operands.push_back(value_at(input, point));
  E value = ops::build_meaning(node.op, builder_, operands, node.attrs);
  const ir::DType dtype = module_.value(node.outputs[0]).type.dtype;
  if (dtype != ir::compute_type(dtype)) {
    value = builder_.cast(builder_.cast(value, dtype), ir::compute_type(dtype));
  }
  return builder_.let("v", value);
}

std::vector<Dim> GroupScope::aligned_strides(ValueId value, size_t rank) const {
  if (auto found = merged_.find(value); found != merged_.end()) return found->second;
  const std::vector<Dim>& strides = module_.placements[value.index].strides;
  const std::vector<Dim>& shape = module_.value(value).type.dims;
  TENON_CHECK(shape.size() <= rank, "an operand has no more axes than the result it broadcasts to");
  std::vector<Dim> aligned(rank - shape.size(), Dim(0));
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    aligned.push_back(shape[axis].is(1) ? Dim(0) : strides[axis]);
  }
  return aligned;
}

E GroupScope::address(ValueId value, const Point& point, E* lane_stride) {
  const std::vector<Dim> strides = aligned_strides(value, point.index.size());
  E sum = dim(module_.placements[value.index].offset);
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    if (!strides[axis].is(0)) sum = sum + point.index[axis] * dim(strides[axis]);
  }
  *lane_stride = point.lanes.axis < 0 ? builder_.integer(1) : dim(strides[point.lanes.axis]);
  return sum;
}

E GroupScope::load_memory(ValueId value, const Point& point) {
  const ir::DType dtype = module_.value(value).type.dtype;
  const ir::BufferId from = buffers_.at(module_.placements[value.index].storage);
  const int count = point.lanes.count;
  E lane_stride;
  E index = address(value, point, &lane_stride);
  E element;
  if (count == 1) {
    element = builder_.load(from, index, 1, point.lanes.mask);
  } else if (lane_stride.is(1)) {
    element = builder_.load(from, index, count, point.lanes.mask);
  } else if (lane_stride.is(0)) {
    element = builder_.broadcast(builder_.load(from, index), count);
  } else {
    E lanes = builder_.ramp(builder_.integer(0), 1, count) * builder_.broadcast(lane_stride, count);
    element = builder_.gather(from, builder_.broadcast(index, count) + lanes, point.lanes.mask);
  }
  return builder_.let("x", builder_.cast(element, ir::compute_type(dtype)));
}

void GroupScope::store_memory(ValueId value, const Point& point, E element) {
  const ir::DType dtype = module_.value(value).type.dtype;
  const ir::BufferId to = buffers_.at(module_.placements[value.index].storage);
  E lane_stride;
  E index = address(value, point, &lane_stride);
  E stored = builder_.cast(element, dtype);
  if (point.lanes.count == 1 || lane_stride.is(1)) {
    builder_.store(to, index, stored, point.lanes.mask);
    return;
  }
  stored = builder_.let("s", stored);
  for (int lane = 0; lane < point.lanes.count; ++lane) {
    auto store_lane = [&] {
      builder_.store(to, index + lane_stride * lane, builder_.extract(stored, lane));
    };
    if (point.lanes.mask.builder) {
      builder_.if_then(builder_.extract(point.lanes.mask, lane), store_lane);
    } else {
      store_lane();
    }
  }
}

ir::View GroupScope::view(int operand) {
  const ValueId value = module_.node(group_.anchor).inputs[operand];
  TENON_CHECK(module_.placements[value.index].storage,
              "a recipe walks only operands that lie in memory");
  return view_of(value);
}

ir::View GroupScope::result_view(int result) {
  TENON_CHECK(group_.nodes.size() == 1, "the result of a node with an epilogue is not stored");
  return view_of(module_.node(group_.anchor).outputs[result]);
}

ir::View GroupScope::view_of(ValueId value) {
  const ir::Placement& place = module_.placements[value.index];
  ir::View view{buffers_.at(place.storage), dim(place.offset), {}};
  for (Dim stride : place.strides) view.strides.push_back(dim(stride));
  return view;
}

std::vector<int> GroupScope::memory_order(int result) const {
  const ValueId value = group_.nodes.size() == 1 ? module_.node(group_.anchor).outputs[result]
                                                 : group_result(module_, group_);
  return passes::memory_order(module_.dims, module_.value(value).type.dims,
                              module_.placements[value.index].strides);
}

std::vector<int> GroupScope::operand_order(int operand) const {
  const ValueId value = module_.node(group_.anchor).inputs[operand];
  if (made_here(value) || module_.scalar(value)) return LoopScope::operand_order(operand);
  return passes::memory_order(module_.dims, module_.value(value).type.dims,
                              module_.placements[value.index].strides);
}

bool GroupScope::adjacent(int outer, int inner) const {
  const ValueId result = group_result(module_, group_);
  const std::vector<Dim>& shape = module_.value(result).type.dims;
  auto walks_as_one = [&](ValueId value) {
    const std::vector<Dim> strides = aligned_strides(value, shape.size());
    return strides[outer] == module_.dims.mul(strides[inner], shape[inner]);
  };
  if (shape[outer].is(1)) return true;
  for (NodeId node : group_.nodes) {
    if (node == group_.anchor) continue;
    for (ValueId input : module_.node(node).inputs) {
      if (!made_here(input) && !module_.scalar(input) && !walks_as_one(input)) return false;
    }
  }
  return walks_as_one(result);
}

void GroupScope::elementwise_loops() {
  ir::Dims& dims = module_.dims;
  const ValueId result = group_result(module_, group_);
  const std::vector<Dim>& shape = module_.value(result).type.dims;
  std::vector<ValueId> values;
  for (ValueId operand : group_operands(module_, group_)) {
    if (!module_.scalar(operand)) values.push_back(operand);
  }
  values.push_back(result);

  // Axes in memory order, without those of size 1; then an axis joins the one outside it where
  // every value walks both as one.
  std::vector<Dim> sizes;
  std::vector<std::vector<Dim>> strides(values.size());
  for (int axis : passes::memory_order(dims, shape, module_.placements[result.index].strides)) {
    if (shape[axis].is(1)) continue;
    bool joins = !sizes.empty();
    for (size_t v = 0; v < values.size() && joins; ++v) {
      const Dim inner = aligned_strides(values[v], shape.size())[axis];
      joins = strides[v].back() == dims.mul(inner, shape[axis]);
    }
    if (!joins) sizes.emplace_back(1);
    sizes.back() = dims.mul(sizes.back(), shape[axis]);
    for (size_t v = 0; v < values.size(); ++v) {
      const Dim inner = aligned_strides(values[v], shape.size())[axis];
      if (joins) {
        strides[v].back() = inner;
      } else {
        strides[v].push_back(inner);
      }
    }
  }
  for (size_t v = 0; v < values.size(); ++v) merged_[values[v]] = strides[v];

  std::vector<E> extents;
  std::vector<int> order;
  for (Dim size : sizes) {
    order.push_back(static_cast<int>(extents.size()));
    extents.push_back(dim(size));
  }
  const ops::Nest nest(*this, extents, order, static_cast<int64_t>(group_.nodes.size()));
  nest.elements(builder_.tasks(nest.task_count()), [&](std::span<const E> index) {
    std::unordered_map<ValueId, E> known;
    const Point point{index, {}, &known};
    store_memory(result, point, value_at(result, point));
  });
}

Kernel GroupScope::finish() {
  parts_->kernel.function = builder_.finish();
  return std::move(parts_->kernel);
}

}  // namespace tenon::passes
