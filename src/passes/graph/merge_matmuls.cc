#include "passes/graph/merge_matmuls.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/contains.h"
#include "ops/op.h"
#include "ops/view.h"
#include "passes/graph/constant_work.h"
#include "passes/graph/readers.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Node;
using ir::NodeId;
using ir::Op;
using ir::ValueId;

/// A product that may become columns of a wider one.
struct Part {
  NodeId product;
  ValueId bias;    ///< or none
  ValueId result;  ///< with its bias
};
using Parts = std::vector<Part>;

class Merger {
 public:
  Merger(ir::Module& module, const Target& target)
      : module_(module), target_(target), constant_(module), readers_(readers_of(module)) {
    const std::vector<NodeId>& nodes = module.graph.nodes;
    for (size_t i = 0; i < nodes.size(); ++i) position_[nodes[i]] = i;
  }

  void run() {
    for (const Parts& parts : find()) {
      if (parts.size() > 1) merge(parts);
    }
    ir::clean_up(module_);
  }

 private:
  const std::vector<Dim>& dims(ValueId value) const { return module_.value(value).type.dims; }
  const ops::Traits& traits(NodeId node) const {
    return ops::operator_of(module_.node(node).op).traits;
  }
  bool is_output(ValueId value) const { return contains(module_.graph.outputs, value); }

  /// Products of one value, each made before a kernel reads what an earlier one gives: no memory is
  /// held for a reader that comes much later.
  std::vector<Parts> find() {
    struct Open {
      size_t index = 0, first_reader = 0;  // of `all`; the position in the graph
    };
    std::vector<Parts> all;
    std::unordered_map<ValueId, Open> open;  // by left operand
    for (NodeId id : module_.graph.nodes) {
      const std::optional<Part> part = part_of(id);
      if (!part) continue;
      const auto [found, fresh] = open.try_emplace(module_.node(id).inputs[0]);
      Open& last = found->second;
      if (fresh || last.first_reader < position_.at(id)) {
        last = {all.size(), module_.graph.nodes.size()};
        all.emplace_back();
      }
      all[last.index].push_back(*part);
      last.first_reader = std::min(last.first_reader, first_reader(part->result));
    }
    return all;
  }

  std::optional<Part> part_of(NodeId id) {
    const Node& node = module_.node(id);
    if (node.op != Op::kMatMul || node.attrs.has("packed")) return std::nullopt;
    const ValueId left = node.inputs[0], weight = node.inputs[1];
    if (constant_.contains(left) || !constant_.contains(weight) || dims(weight).size() != 2 ||
        schedule::choose_packing(module_, node, target_).width == 0) {
      return std::nullopt;
    }
    Part part{id, {}, node.outputs[0]};
    take_bias(part);
    if (is_output(part.result) || !reads_in_place(part.result, beside_others(part.result))) {
      return std::nullopt;
    }
    return part;
  }

  void take_bias(Part& part) const {
    const std::vector<NodeId>& readers = readers_[part.result.index];
    if (is_output(part.result) || readers.size() != 1) return;
    const Node& sum = module_.node(readers[0]);
    if (sum.op != Op::kAdd || dims(sum.outputs[0]) != dims(part.result)) return;
    for (ValueId operand : sum.inputs) {
      if (!constant_.contains(operand) || !has_one_per_column(operand, part.result)) continue;
      part.bias = operand;
      part.result = sum.outputs[0];
      return;
    }
  }

  bool has_one_per_column(ValueId value, ValueId product) const {
    const std::vector<Dim>& own = dims(value);
    return !own.empty() && own.back() == dims(product).back() &&
           std::all_of(own.begin(), own.end() - 1, [](Dim dim) { return dim.is(1); });
  }

  /// Where a result lies if there are other columns beside its own.
  ops::Strided beside_others(ValueId result) {
    const std::vector<Dim>& sizes = dims(result);
    ops::Strided place{0, std::vector<Dim>(sizes.size(), 1)};
    Dim stride = module_.dims.mul(sizes.back(), 2);
    for (size_t axis = sizes.size() - 1; axis-- > 0;) {
      place.strides[axis] = stride;
      stride = module_.dims.mul(stride, sizes[axis]);
    }
    return place;
  }

  /// Whether all that read the value can take it from this place, and none of them gains from
  /// memory of its own, as an elementwise node that joins the product does, a concatenation whose
  /// part is made in its place, or a convolution. What reads a view of it does not.
  bool reads_in_place(ValueId value, const ops::Strided& place) {
    const bool is_view = traits(module_.producer(value)).view;
    return std::ranges::all_of(readers_[value.index], [&](NodeId reader) {
      const Node node = module_.node(reader);
      if (!traits(reader).view) return is_view || takes_rows_anywhere(node, value);
      const auto shown = ops::view_of(module_, node, place);
      return shown && reads_in_place(node.outputs[0], *shown);
    });
  }

  bool takes_rows_anywhere(const Node& node, ValueId operand) const {
    const schedule::Recipe* recipe = schedule::find_recipe(module_, node, target_);
    for (size_t k = 0; recipe && k < node.inputs.size(); ++k) {
      if (node.inputs[k] == operand &&
          recipe->operand_layout(module_, node, static_cast<int>(k)).channels_last)
        return false;
    }
    return recipe != nullptr;
  }

  /// The position of the first node that is more than a view of the value.
  size_t first_reader(ValueId value) const {
    size_t first = module_.graph.nodes.size();
    for (NodeId reader : readers_[value.index]) {
      first = std::min(first, traits(reader).view ? first_reader(module_.node(reader).outputs[0])
                                                  : position_.at(reader));
    }
    return first;
  }

  ValueId add(Op op, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    auto made = ops::add(module_, op, std::move(inputs), std::move(attrs), origin_);
    TENON_CHECK(made, "products of one value have results side by side");
    return *made;
  }

  void merge(const Parts& parts) {
    const Node first = module_.node(parts[0].product);
    origin_ = first.origin;
    std::vector<ValueId> weights;
    for (const Part& part : parts) weights.push_back(module_.node(part.product).inputs[1]);
    const ValueId wide = add(Op::kConcat, weights, {{"axis", int64_t{1}}});
    ValueId whole = add(Op::kMatMul, {first.inputs[0], wide});
    const auto biased = std::ranges::find_if(parts, [](const Part& part) { return !!part.bias; });
    if (biased != parts.end()) {
      origin_ = module_.node(module_.producer(biased->result)).origin;
      whole = add(Op::kAdd, {whole, joined_bias(parts)});
    }
    Dim start = 0;
    for (const Part& part : parts) {
      const std::vector<Dim> own = dims(part.result);
      std::vector<Dim> starts(own.size(), 0);
      starts.back() = start;
      const ValueId columns =
          add(Op::kSlice, {whole},
              {{"starts", starts}, {"steps", std::vector<int64_t>(own.size(), 1)}, {"dims", own}});
      module_.value(columns).name = module_.value(part.result).name;
      ir::replace_uses(module_, part.result, columns);
      start = module_.dims.add(start, own.back());
    }
  }

  ValueId joined_bias(const Parts& parts) {
    std::vector<ValueId> biases;
    for (const Part& part : parts) {
      const ir::TensorType& type = module_.value(part.result).type;
      const std::vector<Dim> columns = {type.dims.back()};
      if (!part.bias) {
        ops::Tensor zeros(type.dtype, {columns[0].value()});
        std::fill_n(zeros.bytes(), zeros.byte_count(), std::byte{0});
        biases.push_back(ops::add_constant(module_, zeros, origin_));
      } else if (dims(part.bias) == columns) {
        biases.push_back(part.bias);
      } else {
        biases.push_back(add(Op::kReshape, {part.bias}, {{"dims", columns}}));
      }
    }
    return add(Op::kConcat, biases, {{"axis", int64_t{0}}});
  }

  ir::Module& module_;
  const Target& target_;
  const ConstantWork constant_;
  std::vector<std::vector<NodeId>> readers_;  // by value, of the graph before
  std::unordered_map<NodeId, size_t> position_;
  ir::OriginId origin_;
};

}  // namespace

void merge_matmuls(ir::Module& module, const Target& target) { Merger(module, target).run(); }

}  // namespace tenon::passes
