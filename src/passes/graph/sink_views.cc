#include "passes/graph/sink_views.h"

#include <algorithm>
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

class Sinker {
 public:
  explicit Sinker(ir::Module& module) : module_(module), uses_(ir::use_counts(module)) {}

  void run() {
    // Producers come first, so a view sinks through a whole chain.
    for (NodeId id : std::vector(module_.graph.nodes)) {
      const Node node = module_.node(id);
      if (!ops::operator_of(node.op).traits.elementwise) continue;
      for (ValueId input : node.inputs) {
        if (may_sink(input, node)) {
          const Node view = module_.node(module_.producer(input));  // new nodes move it
          sink(node, view);
          break;
        }
      }
    }
    ir::clean_up(module_);
  }

 private:
  const std::vector<Dim>& dims(ValueId value) const { return module_.value(value).type.dims; }

  /// Whether `input` is a view, read here only, of a result that a kernel makes for it only.
  bool may_sink(ValueId input, const Node& reader) const {
    if (!module_.is(input, Op::kReshape) && !module_.is(input, Op::kTranspose)) return false;
    const ValueId source = module_.node(module_.producer(input)).inputs[0];
    const NodeId maker = module_.producer(source);
    if (!maker || uses_[source.index] > 1 || dims(input) != dims(reader.outputs[0]) ||
        static_cast<size_t>(std::ranges::count(reader.inputs, input)) != uses_[input.index]) {
      return false;
    }
    const ops::Traits& traits = ops::operator_of(module_.node(maker).op).traits;
    return !traits.leaf && !traits.view;
  }

  void sink(const Node& node, const Node& view) {
    const size_t before = module_.graph.nodes.size();
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      const auto seen =
          input == view.outputs[0] ? std::optional(view.inputs[0]) : as_before(input, view);
      if (!seen) {
        module_.graph.nodes.resize(before);
        return;
      }
      inputs.push_back(*seen);
    }
    const ValueId result = add(node.op, std::move(inputs), node.attrs, node.origin);
    ir::Attrs attrs = view.attrs;
    const ValueId shown = add(view.op, {result}, std::move(attrs), view.origin);
    module_.value(shown).name = module_.value(node.outputs[0]).name;
    uses_.resize(module_.value_count());
    uses_[result.index] = 1;
    uses_[shown.index] = uses_[node.outputs[0].index];
    ir::replace_uses(module_, node.outputs[0], shown);
  }

  /// `operand`, which broadcasts to the view's result, so that it broadcasts to the view's operand.
  std::optional<ValueId> as_before(ValueId operand, const Node& view) {
    const std::vector<Dim>&from = dims(view.inputs[0]), &to = dims(view.outputs[0]);
    std::vector<Dim> own = dims(operand);
    own.erase(own.begin(), std::ranges::find_if(own, [](Dim dim) { return !dim.is(1); }));
    if (own.empty() && dims(operand).size() <= from.size()) return operand;
    if (view.op == Op::kTranspose && !own.empty()) {
      own.insert(own.begin(), to.size() - own.size(), 1);
      const std::vector<int64_t>& perm = view.attrs.integers("perm");
      std::vector<int64_t> back(perm.size());
      for (size_t i = 0; i < perm.size(); ++i) back[perm[i]] = static_cast<int64_t>(i);
      return add(Op::kTranspose, {reshape(operand, own, view)}, {{"perm", back}}, view.origin);
    }
    if (dims(operand) == to) return reshape(operand, from, view);
    const bool at_end = own.size() <= from.size() && own.size() <= to.size() &&
                        std::equal(own.rbegin(), own.rend(), from.rbegin(), same_or_one) &&
                        std::equal(from.rbegin(), from.rbegin() + std::ssize(own), to.rbegin());
    return at_end ? std::optional(reshape(operand, own, view)) : std::nullopt;
  }
  static bool same_or_one(Dim own, Dim whole) { return own == whole || own.is(1); }

  ValueId reshape(ValueId value, std::vector<Dim> to, const Node& view) {
    if (dims(value) == to) return value;
    return add(Op::kReshape, {value}, {{"dims", std::move(to)}}, view.origin);
  }
  ValueId add(Op op, std::vector<ValueId> inputs, ir::Attrs attrs, ir::OriginId origin) {
    auto value = ops::add(module_, op, std::move(inputs), std::move(attrs), origin);
    TENON_CHECK(value.has_value(), "operands that broadcast as before");
    uses_.resize(module_.value_count());
    return *value;
  }

  ir::Module& module_;
  std::vector<uint32_t> uses_;
};

}  // namespace

void sink_views(ir::Module& module) { Sinker(module).run(); }

}  // namespace tenon::passes
