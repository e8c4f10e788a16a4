#include "passes/graph/fold_normalisation.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ops/op.h"
#include "passes/graph/constant_work.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Node;
using ir::NodeId;
using ir::Op;
using ir::ValueId;

class Folder {
 public:
  explicit Folder(ir::Module& module)
      : module_(module), constant_(module), uses_(ir::use_counts(module)) {}

  void run() {
    for (NodeId id : std::vector(module_.graph.nodes)) {
      const Node node = module_.node(id);
      origin_ = node.origin;
      if (node.op == Op::kBatchNorm) {
        replace(node.outputs[0], as_arithmetic(node));
      } else if (node.op == Op::kMul || node.op == Op::kAdd) {
        for (const int main : {0, 1}) {
          const auto folded = try_fold(node.op, node.inputs[main], node.inputs[1 - main]);
          if (!folded) continue;
          replace(node.outputs[0], *folded);
          break;
        }
      }
    }
    ir::clean_up(module_);
  }

 private:
  const std::vector<Dim>& dims(ValueId value) const { return module_.value(value).type.dims; }

  ValueId add(Op op, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    auto node = ops::add_node(module_, op, std::move(inputs), std::move(attrs), origin_);
    TENON_CHECK(node.has_value(), "weights of the shapes that their node takes");
    constant_.learn(*node);
    uses_.resize(module_.value_count());
    for (ValueId input : module_.node(*node).inputs) {
      if (input) ++uses_[input.index];
    }
    return module_.node(*node).outputs[0];
  }
  ValueId reshape(ValueId value, std::vector<Dim> to) {
    if (dims(value) == to) return value;
    return add(Op::kReshape, {value}, {{"dims", std::move(to)}});
  }

  void replace(ValueId from, ValueId to) {
    module_.value(to).name = module_.value(from).name;
    uses_[to.index] += std::exchange(uses_[from.index], 0);
    ir::replace_uses(module_, from, to);
  }

  /// A vector by channel [C] so that it broadcasts to batch_norm's operand [N, C, ...].
  ValueId by_channel(const Node& node, ValueId vector) {
    std::vector<Dim> to(dims(node.inputs[0]).size() - 1, 1);
    to.front() = dims(vector).front();
    return reshape(vector, std::move(to));
  }
  ValueId factor_of(const Node& node) {
    ops::Tensor epsilon(module_.value(node.inputs[4]).type.dtype, {});
    epsilon.set_number(0, node.attrs.number("epsilon"));
    const ValueId constant = ops::add_constant(module_, epsilon, origin_);
    constant_.learn(module_.producer(constant));
    const ValueId variance = add(Op::kAdd, {node.inputs[4], constant});
    return add(Op::kMul, {node.inputs[1], add(Op::kRsqrt, {variance})});
  }
  /// (x - mean) * factor + bias, as x * factor + (bias - mean * factor).
  ValueId as_arithmetic(const Node& node) {
    const ValueId factor = factor_of(node);
    const ValueId moved = add(Op::kMul, {node.inputs[3], factor});
    const ValueId shift = add(Op::kSub, {node.inputs[2], moved});
    const ValueId scaled = fold(Op::kMul, node.inputs[0], by_channel(node, factor));
    return fold(Op::kAdd, scaled, by_channel(node, shift));
  }

  ValueId fold(Op op, ValueId x, ValueId factor) {
    const auto folded = try_fold(op, x, factor);
    return folded ? *folded : add(op, {x, factor});
  }

  /// `x op factor` as the node behind x with other weights.
  std::optional<ValueId> try_fold(Op op, ValueId x, ValueId factor) {
    const NodeId producer = module_.producer(x);
    if (!producer || uses_[x.index] > 1 || constant_.contains(x) || !constant_.contains(factor) ||
        !ir::is_float(module_.value(x).type.dtype)) {
      return std::nullopt;
    }
    const Node heavy = module_.node(producer);
    switch (heavy.op) {
      case Op::kConv:
      case Op::kConvTranspose: return fold_into_conv(op, heavy, factor);
      case Op::kMatMul: return op == Op::kMul ? scale_matmul(heavy, factor) : std::nullopt;
      case Op::kAdd: return fold_into_biased(op, heavy, factor);
      default: return std::nullopt;
    }
  }

  /// Whether `factor` has at most one number for each index along `axis` of a result with `shape`.
  bool is_per(size_t axis, const std::vector<Dim>& shape, ValueId factor) const {
    const std::vector<Dim>& own = dims(factor);
    if (own.size() > shape.size()) return false;
    const size_t missing = shape.size() - own.size();
    for (size_t i = 0; i < own.size(); ++i) {
      if (!own[i].is(1) && (i + missing != axis || own[i] != shape[axis])) return false;
    }
    return true;
  }
  bool has_one(ValueId value) const { return module_.value(value).type.element_count() == 1; }

  std::optional<ValueId> fold_into_conv(Op op, const Node& conv, ValueId factor) {
    const std::vector<Dim> shape = dims(conv.outputs[0]);
    const ValueId w = conv.inputs[1], b = conv.inputs[2];
    if (!is_per(1, shape, factor) || !constant_.contains(w) || (b && !constant_.contains(b))) {
      return std::nullopt;
    }
    Node to = conv;
    if (op == Op::kMul) to.inputs[1] = scale_filter(conv, factor);
    const ValueId vector = has_one(factor) ? reshape(factor, {1}) : reshape(factor, {shape[1]});
    if (b) {
      to.inputs[2] = add(op, {b, vector});
    } else if (op == Op::kAdd) {
      const std::vector<Dim> channels = {shape[1]};
      to.inputs[2] =
          dims(vector) == channels ? vector : add(Op::kExpand, {vector}, {{"dims", channels}});
    }
    return add(to.op, to.inputs, to.attrs);
  }

  ValueId scale_filter(const Node& conv, ValueId factor) {
    const ValueId w = conv.inputs[1];
    if (has_one(factor)) return add(Op::kMul, {w, reshape(factor, {})});
    const std::vector<Dim> shape = dims(w);
    std::vector<Dim> wide(shape.size(), 1);
    if (conv.op == Op::kConv) {
      wide[0] = shape[0];
      return add(Op::kMul, {w, reshape(factor, wide)});
    }
    // [inputs, outputs of a group, ...], the inputs of one group after those of the other.
    const int64_t groups = conv.attrs.integer("groups");
    std::vector<Dim> grouped = shape;
    grouped[0] = shape[0].value() / groups;
    grouped.insert(grouped.begin(), groups);
    wide.insert(wide.begin(), groups);
    wide[2] = shape[1];
    return reshape(add(Op::kMul, {reshape(w, grouped), reshape(factor, wide)}), shape);
  }

  std::optional<ValueId> scale_matmul(const Node& node, ValueId factor) {
    const std::vector<Dim> shape = dims(node.outputs[0]);
    const ValueId w = node.inputs[1];
    if (dims(w).size() < 2 || shape.empty() || !constant_.contains(w) ||
        !is_per(shape.size() - 1, shape, factor)) {
      return std::nullopt;
    }
    const ValueId vector = has_one(factor) ? reshape(factor, {}) : reshape(factor, {shape.back()});
    return add(Op::kMatMul, {node.inputs[0], add(Op::kMul, {w, vector})});
  }

  /// The same for a matmul with its bias behind it.
  std::optional<ValueId> fold_into_biased(Op op, const Node& sum, ValueId factor) {
    for (const int main : {0, 1}) {
      const ValueId x = sum.inputs[main], b = sum.inputs[1 - main];
      const std::vector<Dim>& shape = dims(sum.outputs[0]);
      if (!module_.is(x, Op::kMatMul) || uses_[x.index] > 1 || !constant_.contains(b) ||
          dims(x) != shape || !is_per(shape.size() - 1, shape, b) ||
          !is_per(shape.size() - 1, shape, factor)) {
        continue;
      }
      const Node matmul = module_.node(module_.producer(x));
      const auto scaled = op == Op::kMul ? scale_matmul(matmul, factor) : std::optional(x);
      if (scaled) return add(Op::kAdd, {*scaled, add(op, {b, factor})});
    }
    return std::nullopt;
  }

  ir::Module& module_;
  ConstantWork constant_;
  std::vector<uint32_t> uses_;
  ir::OriginId origin_;
};

}  // namespace

void fold_normalisation(ir::Module& module) { Folder(module).run(); }

}  // namespace tenon::passes
