#include "passes/graph/use_winograd.h"

#include <algorithm>
#include <vector>

#include "ops/op.h"
#include "passes/graph/constant_work.h"
#include "schedule/recipe.h"

namespace tenon::passes {
namespace {

using schedule::ConvForm;

/// A convolution and the form that is taken of those that it has.
struct Choice {
  ir::NodeId node;
  std::vector<ConvForm> forms;
  size_t taken;

  const ConvForm& form() const { return forms[taken]; }
  const ConvForm& smaller() const { return forms[taken - 1]; }
  int64_t saving() const { return form().filter_bytes - smaller().filter_bytes; }
  /// Cycles that the smaller form takes more, for each byte that it saves.
  double loss() const { return (smaller().cycles - form().cycles) / static_cast<double>(saving()); }
};

std::vector<Choice> fastest_forms(const ir::Module& module, const Target& target) {
  const ConstantWork constant(module);
  std::vector<Choice> choices;
  for (ir::NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    if (node.op != ir::Op::kConv || !constant.contains(node.inputs[1])) continue;
    std::vector<ConvForm> forms = schedule::conv_forms(module, node, target);
    const size_t last = forms.size() - 1;
    if (last > 0) choices.push_back({id, std::move(forms), last});
  }
  return choices;
}

/// What filters may take more than in their direct form, all together.
int64_t allowance(const ir::Module& module) {
  constexpr int64_t kAlways = 64 << 20, kShare = 5;
  int64_t weights = 0;
  for (ir::NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    if (!ops::operator_of(node.op).traits.leaf) continue;
    weights += std::ssize(module.data(node.attrs.data("data")).bytes);
  }
  return std::max(kAlways, weights / kShare);
}

/// Gives up the forms that gain least for their size until all fit.
void fit(std::vector<Choice>& choices, int64_t allowed) {
  int64_t growth = 0;
  for (const Choice& choice : choices)
    growth += choice.form().filter_bytes - choice.forms[0].filter_bytes;
  while (growth > allowed) {
    Choice& least = *std::ranges::min_element(choices, {}, &Choice::loss);
    growth -= least.saving();
    if (--least.taken == 0) choices.erase(choices.begin() + (&least - choices.data()));
  }
}

void apply(ir::Module& module, ir::NodeId id, const ConvForm& form) {
  const ir::Node node = module.node(id);
  const int64_t tile = form.tile, width = form.width;
  const auto filter = ops::add(module, ir::Op::kWinogradFilter, {node.inputs[1]},
                               {{"tile", tile}, {"width", width}}, node.origin);
  TENON_CHECK(filter, "Winograd's algorithm takes this filter");
  ir::Node& winograd = module.node(id);
  winograd.op = ir::Op::kWinogradConv;
  winograd.inputs[1] = *filter;
  winograd.attrs = {{"pads", node.attrs.integers("pads")},
                    {"tile", tile},
                    {"channels", module.value(node.outputs[0]).type.dims[1].value()}};
}

}  // namespace

void use_winograd(ir::Module& module, const Target& target) {
  std::vector<Choice> choices = fastest_forms(module, target);
  fit(choices, allowance(module));
  for (const Choice& choice : choices) apply(module, choice.node, choice.form());
  ir::clean_up(module);
}

}  // namespace tenon::passes
