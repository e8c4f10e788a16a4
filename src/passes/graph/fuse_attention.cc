#include "passes/graph/fuse_attention.h"

#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "ops/op.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::Node;
using ir::NodeId;
using ir::Op;
using ir::ValueId;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What an `attention` would be made of.
struct Parts {
  ValueId q, keys;  ///< keys: features by keys, as the product takes them
  ValueId mask;     ///< or none
  double scale = 1;
  bool guarded = false;
};

class Fuser {
 public:
  explicit Fuser(ir::Module& module) : module_(module), uses_(ir::use_counts(module)) {}

  void run() {
    for (NodeId id : std::vector(module_.graph.nodes)) {
      if (module_.node(id).op == Op::kMatMul) fuse(id);
      if (module_.node(id).op == Op::kAttention) share_heads(id);
    }
    ir::clean_up(module_);
  }

 private:
  const std::vector<Dim>& dims(ValueId value) const { return module_.value(value).type.dims; }
  const Node& maker(ValueId value) const { return module_.node(module_.producer(value)); }
  bool is(ValueId value, Op op) const { return value && module_.is(value, op); }
  std::optional<double> number(ValueId value) const { return module_.scalar(value); }

  /// Whether nothing but what is matched reads the value.
  bool is_inner(ValueId value, uint32_t reads = 1) const { return uses_[value.index] == reads; }

  void fuse(NodeId id) {
    const Node product = module_.node(id);
    if (product.attrs.has("packed")) return;
    const size_t rank = dims(product.outputs[0]).size();
    const size_t before = module_.graph.nodes.size();
    origin_ = product.origin;
    std::optional<Parts> parts = weights(product.inputs[0]);
    if (!parts || rank < 3 || rank > 4) return module_.graph.nodes.resize(before);
    if (const auto made = build(*parts, product.inputs[1], dims(product.outputs[0]))) {
      uses_.resize(module_.value_count());
      module_.value(*made).name = module_.value(product.outputs[0]).name;
      ir::replace_uses(module_, product.outputs[0], *made);
    } else {
      module_.graph.nodes.resize(before);
    }
  }

  // ---- Taking apart ----

  /// The softmax of scores, or 0 where that is NaN.
  std::optional<Parts> weights(ValueId value) {
    bool guarded = false;
    if (is(value, Op::kWhere)) {
      const Node& choice = maker(value);
      const ValueId inner = choice.inputs[2];
      if (!is(choice.inputs[0], Op::kIsNan) || maker(choice.inputs[0]).inputs[0] != inner ||
          number(choice.inputs[1]) != 0 || !is_inner(value) || !is_inner(choice.inputs[0]) ||
          !is_inner(inner, 2)) {
        return std::nullopt;
      }
      guarded = true;
      value = inner;
    } else if (!is_inner(value)) {
      return std::nullopt;
    }
    if (!is(value, Op::kSoftmax)) return std::nullopt;
    const Node& softmax = maker(value);
    const int64_t last = static_cast<int64_t>(dims(value).size()) - 1;
    if (softmax.attrs.flag("log") || softmax.attrs.integer("axis") != last) return std::nullopt;
    std::optional<Parts> parts = scores(softmax.inputs[0]);
    if (parts) parts->guarded = guarded || !parts->mask;
    return parts;
  }

  /// Products, scaled and masked.
  std::optional<Parts> scores(ValueId value) {
    if (!module_.producer(value) || !is_inner(value)) return std::nullopt;
    const Node node = maker(value);
    switch (node.op) {
      case Op::kMatMul:
        if (node.attrs.has("packed")) return std::nullopt;
        return Parts{.q = node.inputs[0], .keys = node.inputs[1]};
      case Op::kAdd:
        for (size_t i : {0, 1}) {
          if (auto parts = scores(node.inputs[i])) return masked(*parts, node.inputs[1 - i]);
        }
        return std::nullopt;
      case Op::kWhere: {
        // Where a key does not count, what the score is replaced by leaves nothing of it.
        constexpr double kLeavesNothing = -1e30;
        const auto other = number(node.inputs[2]);
        if (!other || *other > kLeavesNothing) return std::nullopt;
        auto parts = scores(node.inputs[1]);
        if (!parts) return std::nullopt;
        const ValueId zero = add_number(0, node.inputs[2]);
        const auto mask = add(Op::kWhere, {node.inputs[0], zero, node.inputs[2]});
        return mask ? masked(*parts, *mask) : std::nullopt;
      }
      case Op::kMul:
      case Op::kDiv: {
        // A mask that was added before would be scaled too.
        const auto factor = number(node.inputs[1]);
        auto parts = factor ? scores(node.inputs[0]) : std::nullopt;
        if (!parts || parts->mask) return std::nullopt;
        parts->scale *= node.op == Op::kMul ? *factor : 1 / *factor;
        return parts;
      }
      default: return std::nullopt;
    }
  }

  std::optional<Parts> masked(Parts parts, ValueId mask) {
    if (parts.mask) {
      const auto sum = add(Op::kAdd, {parts.mask, mask});
      if (!sum) return std::nullopt;
      mask = *sum;
    }
    parts.mask = mask;
    return parts;
  }

  /// Takes a scale off queries or keys.
  ValueId unscaled(ValueId value, double& scale) const {
    while (is(value, Op::kMul) || is(value, Op::kDiv)) {
      const Node& node = maker(value);
      const auto factor = number(node.inputs[1]);
      if (!factor) break;
      scale *= node.op == Op::kMul ? *factor : 1 / *factor;
      value = node.inputs[0];
    }
    return value;
  }

  /// The condition of a mask that adds 0 where it holds, else -inf.
  ValueId as_condition(ValueId mask) const {
    if (!is(mask, Op::kWhere)) return mask;
    const Node& node = maker(mask);
    return number(node.inputs[1]) == 0 && number(node.inputs[2]) == -kInfinity ? node.inputs[0]
                                                                               : mask;
  }

  // ---- Putting together ----

  std::optional<ValueId> build(Parts parts, ValueId v, std::vector<Dim> result) {
    parts.q = unscaled(parts.q, parts.scale);
    parts.keys = unscaled(parts.keys, parts.scale);
    if (parts.mask) parts.mask = as_condition(parts.mask);
    const auto q = with_batch(parts.q, result.size()), keys = with_batch(parts.keys, result.size()),
               values = with_batch(v, result.size());
    if (!q || !keys || !values) return std::nullopt;
    const auto k = add(Op::kTranspose, {*keys}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
    const auto made = add(Op::kAttention, {*q, *k, *values, parts.mask},
                          {{"scale", parts.scale}, {"causal", false}, {"guarded", parts.guarded}});
    return made ? add(Op::kReshape, {*made}, {{"dims", std::move(result)}}) : std::nullopt;
  }

  /// The value with four axes; none where it lacks axes that the result has.
  std::optional<ValueId> with_batch(ValueId value, size_t rank) {
    std::vector<Dim> sizes = dims(value);
    if (sizes.size() != rank) return std::nullopt;
    sizes.insert(sizes.begin(), 4 - rank, 1);
    return add(Op::kReshape, {value}, {{"dims", sizes}});
  }

  /// Keys and values that are repeated for every head of a group: [B, G, 1, T, D] expanded to
  /// [B, G, H / G, T, D], as [B, H, T, D].
  void share_heads(NodeId id) {
    const size_t before = module_.graph.nodes.size();
    origin_ = module_.node(id).origin;
    const auto k = one_per_group(module_.node(id).inputs[1]),
               v = one_per_group(module_.node(id).inputs[2]);
    if (k && v && dims(*k)[1] == dims(*v)[1]) {
      module_.node(id).inputs[1] = *k;
      module_.node(id).inputs[2] = *v;
    } else {
      module_.graph.nodes.resize(before);
    }
  }

  std::optional<ValueId> one_per_group(ValueId value) {
    if (!is(value, Op::kReshape)) return std::nullopt;
    const ValueId repeated = maker(value).inputs[0];
    if (!is(repeated, Op::kExpand)) return std::nullopt;
    const ValueId own = maker(repeated).inputs[0];
    const std::vector<Dim>&to = dims(value), &all = dims(repeated), &one = dims(own);
    if (one.size() != 5 || all.size() != 5 || !one[2].is(1)) return std::nullopt;
    for (size_t axis : {0, 1, 3, 4}) {
      if (one[axis] != all[axis]) return std::nullopt;
    }
    if (to[0] != one[0] || to[2] != one[3] || to[3] != one[4]) return std::nullopt;
    return add(Op::kReshape, {own}, {{"dims", std::vector<Dim>{one[0], one[1], one[3], one[4]}}});
  }

  std::optional<ValueId> add(Op op, std::vector<ValueId> inputs, ir::Attrs attrs = {}) {
    auto made = ops::add(module_, op, std::move(inputs), std::move(attrs), origin_);
    return made ? std::optional(*made) : std::nullopt;
  }

  ValueId add_number(double number, ValueId like) {
    ops::Tensor tensor(module_.value(like).type.dtype, {});
    tensor.set_number(0, number);
    return ops::add_constant(module_, tensor, origin_);
  }

  ir::Module& module_;
  std::vector<uint32_t> uses_;
  ir::OriginId origin_;
};

}  // namespace

void fuse_attention(ir::Module& module) { Fuser(module).run(); }

}  // namespace tenon::passes
