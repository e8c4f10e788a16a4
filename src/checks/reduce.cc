#include "checks/reduce.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <unordered_set>

#include "base/contains.h"
#include "checks/values.h"
#include "commands/difference.h"
#include "commands/model.h"
#include "interp/graph.h"

namespace tenon::checks {
namespace {

using ir::Module;
using ir::NodeId;
using ir::ValueId;
using Nodes = std::vector<NodeId>;

/// The module of these nodes, which are in the order of the graph.
Module part(const Module& whole, const Nodes& nodes) {
  Module module;
  module.name = whole.name;
  module.dims = whole.dims;
  std::unordered_map<ValueId, ValueId> made;
  std::unordered_set<ValueId> read;
  for (NodeId id : nodes) {
    const ir::Node& node = whole.node(id);
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      read.insert(input);
      if (input && !made.contains(input)) {
        made[input] = module.add_input(whole.value(input).type,
                                       fmt::format("x{}", module.graph.inputs.size()));
      }
      inputs.push_back(input ? made.at(input) : ValueId());
    }
    ir::Attrs attrs = node.attrs;
    for (const auto& [name, value] : node.attrs) {
      if (const auto* data = std::get_if<ir::DataId>(&value)) {
        attrs.set(name, module.add_data(whole.data(*data)));
      }
    }
    std::vector<ir::TensorType> types;
    for (ValueId output : node.outputs) types.push_back(whole.value(output).type);
    const ir::OriginId origin =
        node.origin ? module.add_origin(whole.origin(node.origin)) : ir::OriginId();
    const NodeId copy =
        module.make_node(node.op, std::move(inputs), std::move(attrs), types, origin);
    module.graph.nodes.push_back(copy);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      made[node.outputs[i]] = module.node(copy).outputs[i];
    }
  }
  for (NodeId id : nodes) {
    for (ValueId output : whole.node(id).outputs) {
      if (read.contains(output)) continue;
      module.graph.outputs.push_back(made.at(output));
      module.graph.output_names.push_back(fmt::format("y{}", module.graph.outputs.size() - 1));
    }
  }
  for (const ir::ReadSize& size : whole.read_sizes) {
    if (contains(nodes, whole.producer(size.value))) {
      module.read_sizes.push_back({size.symbol, made.at(size.value)});
    }
  }
  return module;
}

}  // namespace

Module reduce(const Module& module, const Fails& fails) {
  Nodes nodes = module.graph.nodes;
  // Leaves out runs of nodes, shorter ones each time that none of a length can go.
  for (size_t length = nodes.size(); length > 0;) {
    bool smaller = false;
    for (size_t end = nodes.size(); end > 0;) {
      const size_t begin = end > length ? end - length : 0;
      Nodes rest = nodes;
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(begin),
                 rest.begin() + static_cast<ptrdiff_t>(end));
      if (!rest.empty() && fails(part(module, rest))) {
        nodes = std::move(rest);
        smaller = true;
      }
      end = begin;
    }
    if (!smaller || length > 1) length /= 2;
  }
  return nodes.size() == module.graph.nodes.size() ? module : part(module, nodes);
}

int exit_code_of(const std::function<int()>& check) {
  const pid_t child = fork();
  TENON_CHECK(child >= 0, "a process can be made");
  if (child == 0) {
    int code = 3;
    try {
      code = check();
    } catch (...) {
      code = 3;
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int compare_native(const Module& module, const driver::CompileOptions& options) {
  std::vector<ops::Tensor> inputs;
  for (ValueId id : module.graph.inputs) {
    const ir::TensorType& type = module.value(id).type;
    std::vector<int64_t> shape;
    for (ir::Dim dim : type.dims) {
      std::map<std::string, int64_t> symbols;
      for (const std::string& symbol : module.dims.symbols(dim)) symbols[symbol] = 2;
      shape.push_back(module.dims.evaluate(dim, symbols));
    }
    inputs.push_back(
        random_tensor(type.dtype, std::move(shape), static_cast<uint32_t>(inputs.size())));
  }
  const Result<std::vector<ops::Tensor>> expected = interp::run(module, inputs);
  if (!expected) return 2;
  const Result<driver::CompiledModel> compiled = driver::compile(module, options);
  if (!compiled) return 3;
  const Result<commands::Model> model = commands::Model::load(compiled->artifact, 1);
  if (!model) return 3;
  Result<std::vector<ops::Tensor>> outputs = model->make_outputs(inputs);
  if (!outputs || !model->run(inputs, *outputs)) return 3;
  for (size_t i = 0; i < outputs->size(); ++i) {
    const ops::Tensor &actual = (*outputs)[i], &reference = (*expected)[i];
    if (actual.shape() != reference.shape() || actual.dtype() != reference.dtype()) return 1;
    if (commands::compare(actual, reference).needed_tolerance >
        10 * commands::default_tolerance(actual.dtype())) {
      return 1;
    }
  }
  return 0;
}

}  // namespace tenon::checks
