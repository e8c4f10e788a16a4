#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ranges>

#include "commands/command.h"
#include "commands/compile_options.h"
#include "commands/inputs.h"
#include "commands/model.h"
#include "commands/plan_view.h"
#include "commands/text.h"

namespace tenon::commands {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string model;
  CompileArguments compile;
  bool verify = false;
};

/// A report's text and its JSON grow together.
struct Draft {
  std::string text;
  Json json = Json::object();
};

void describe_tensors(Draft& draft, std::string_view key, const std::vector<std::string>& list) {
  draft.text += fmt::format("{}\n", key);
  for (const std::string& tensor : list) draft.text += fmt::format("  {}\n", tensor);
  draft.json[std::string(key)] = list;
}

void describe_graph(Draft& draft, const ir::Module& module) {
  auto names_of = [&](const std::vector<ir::ValueId>& values,
                      const std::vector<std::string>& names) {
    std::vector<std::string> list;
    for (size_t k = 0; k < values.size(); ++k) {
      const ir::Value& value = module.value(values[k]);
      list.push_back(fmt::format("{}: {}", names.empty() ? value.name : names[k],
                                 ir::to_string(module.dims, value.type)));
    }
    return list;
  };
  describe_tensors(draft, "inputs", names_of(module.graph.inputs, {}));
  describe_tensors(draft, "outputs", names_of(module.graph.outputs, module.graph.output_names));

  std::vector<std::string> sizes;
  for (const ir::ReadSize& read : module.read_sizes) {
    const ir::Dim largest = module.dims.read_symbols().at(read.symbol);
    sizes.push_back(fmt::format("{} <= {}", read.symbol, module.dims.to_string(largest)));
  }
  if (!sizes.empty()) describe_tensors(draft, "sizes that data decides", sizes);

  std::map<std::string, size_t> counts;
  uint64_t parameters = 0, elements = 0, bytes = 0;
  for (ir::NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    if (node.op == ir::Op::kParameter) {
      const ir::Data& data = module.data(node.attrs.data("data"));
      ++parameters;
      elements += static_cast<uint64_t>(data.type.element_count());
      bytes += data.bytes.size();
    } else if (node.op != ir::Op::kConstant) {
      ++counts[std::string(ir::info(node.op).name)];
    }
  }
  std::vector<std::pair<std::string, size_t>> operators(counts.begin(), counts.end());
  std::ranges::stable_sort(operators, std::greater(), &std::pair<std::string, size_t>::second);
  draft.text += fmt::format("parameters\n  {} tensors, {} numbers, {}\noperators\n", parameters,
                            elements, format_bytes(bytes));
  draft.json["parameters"] = {{"tensors", parameters}, {"numbers", elements}, {"bytes", bytes}};
  draft.json["operators"] = Json::object();
  for (const auto& [name, count] : operators) {
    draft.text += fmt::format("  {:>6}  {}\n", count, name);
    draft.json["operators"][name] = count;
  }
}

void describe_plan(Draft& draft, const PlanView& view) {
  const tenon_file_header& header = view.header();
  const tenon_module& plan = view.plan();
  draft.text += fmt::format("code\n  for {}, by Tenon {}: {} kernels, {}; weights {}\n",
                            header.target, header.compiler, plan.kernel_count,
                            format_bytes(header.code_bytes), format_bytes(header.weights_bytes));
  draft.json["target"] = header.target;
  draft.json["compiler"] = header.compiler;
  draft.json["kernels"] = plan.kernel_count;
  draft.json["code_bytes"] = header.code_bytes;
  draft.json["weight_bytes"] = header.weights_bytes;

  if (const std::optional<tenon_memory> memory = view.memory()) {
    draft.text += fmt::format(
        "memory\n  arena {} (at least {} are in use at one step), scratch {} per thread\n",
        format_bytes(memory->arena), format_bytes(memory->live), format_bytes(memory->scratch));
    draft.json["memory"] = {
        {"arena", memory->arena}, {"live", memory->live}, {"scratch", memory->scratch}};
  } else {
    draft.text += "memory\n  depends on free sizes\n";
    draft.json["memory"] = nullptr;
  }

  const std::vector<uint64_t> code = view.kernel_code_bytes();
  draft.text += fmt::format("steps\n  {:>5} {:>6} {:>12} {:>10} {:>9} {:>10} {:>10}  nodes\n",
                            "step", "kernel", "recipe", "code", "tasks", "MFLOP", "MB moved");
  draft.json["steps"] = Json::array();
  std::optional<int64_t> total_flops = 0, total_bytes = 0;
  auto number = [](std::optional<int64_t> value, double unit, int digits) {
    return value ? fmt::format("{:.{}f}", static_cast<double>(*value) / unit, digits) : "?";
  };
  auto json_number = [](std::optional<int64_t> value) { return value ? Json(*value) : Json(); };
  for (uint32_t i = 0; i < plan.step_count; ++i) {
    const tenon_step& step = plan.steps[i];
    const auto tasks = view.constant(step.tasks), rounds = view.constant(step.rounds),
               flops = view.constant(step.flops), bytes = view.constant(step.bytes);
    std::string tasks_text = number(tasks, 1, 0);
    if (tasks && rounds && *rounds > 1)
      tasks_text = fmt::format("{} x {}", *rounds, *tasks / *rounds);
    if (!rounds) tasks_text = "? x ?";
    draft.text +=
        fmt::format("  {:>5} {:>6} {:>12} {:>10} {:>9} {:>10} {:>10}  {}\n", i, step.kernel,
                    view.recipes()[i], format_bytes(code[step.kernel]), tasks_text,
                    number(flops, 1e6, 2), number(bytes, 1e6, 2), view.string(step.name));
    for (auto [sum, value] : {std::pair(&total_flops, flops), std::pair(&total_bytes, bytes)})
      *sum = *sum && value ? std::optional(**sum + *value) : std::nullopt;
    draft.json["steps"].push_back({{"nodes", view.string(step.name)},
                                   {"kernel", step.kernel},
                                   {"recipe", view.recipes()[i]},
                                   {"code_bytes", code[step.kernel]},
                                   {"tasks", json_number(tasks)},
                                   {"rounds", json_number(rounds)},
                                   {"flops", json_number(flops)},
                                   {"bytes", json_number(bytes)}});
  }
  draft.text += fmt::format("  total {:>44} {:>10}\n", number(total_flops, 1e6, 2),
                            number(total_bytes, 1e6, 2));
  draft.json["flops"] = json_number(total_flops);
  draft.json["bytes_moved"] = json_number(total_bytes);
}

/// The first in the report itself, the others under "other_targets".
void describe_plans(Draft& draft, const std::vector<PlanView>& views) {
  describe_plan(draft, views.front());
  for (const PlanView& view : views | std::views::drop(1)) {
    Draft other;
    describe_plan(other, view);
    draft.text += other.text;
    draft.json["other_targets"].push_back(std::move(other.json));
  }
}

void describe_unsupported(Draft& draft, const Error& error) {
  draft.text += "unsupported\n";
  for (const Diagnostic& diagnostic : error.diagnostics) {
    draft.text += fmt::format("  {}\n", Error{error.kind, {diagnostic}}.text());
  }
  draft.json["unsupported"] = Json::parse(to_json(error))["error"]["diagnostics"];
}

Result<void> inspect_artifact(Draft& draft, const Arguments& arguments) {
  TENON_TRY(const std::vector<PlanView> views, PlanView::open(arguments.model));
  const tenon_module& plan = views.front().plan();
  auto signatures = [&](const tenon_binding* bindings, uint32_t count) {
    std::vector<std::string> list;
    for (uint32_t k = 0; k < count; ++k) list.push_back(signature(plan, bindings[k]));
    return list;
  };
  describe_tensors(draft, "inputs", signatures(plan.inputs, plan.input_count));
  describe_tensors(draft, "outputs", signatures(plan.outputs, plan.output_count));
  describe_plans(draft, views);
  return {};
}

/// The graph, then what it compiles to. What is unsupported is part of the answer.
Result<void> inspect_model(Draft& draft, const Arguments& arguments) {
  TENON_TRY(const driver::CompileOptions options, compile_options(arguments.compile));
  Result<ir::Module> module = driver::import_file(arguments.model, options);
  if (!module && module.error().kind != ErrorKind::kUnsupported)
    return std::unexpected(std::move(module).error());
  if (!module) {
    describe_unsupported(draft, module.error());
    return {};
  }
  describe_graph(draft, *module);
  const Result<driver::CompiledModel> compiled = driver::compile(*std::move(module), options);
  end_progress();
  if (compiled) {
    describe_plans(draft, PlanView::of(compiled->artifact));
  } else if (compiled.error().kind == ErrorKind::kUnsupported) {
    describe_unsupported(draft, compiled.error());
  } else {
    return std::unexpected(compiled.error());
  }
  return {};
}

Result<Report> inspect(const Arguments& arguments) {
  Draft draft;
  draft.text = fmt::format("{}\n", arguments.model);
  draft.json["model"] = arguments.model;
  TENON_TRY(const bool compiled, is_artifact(arguments.model));
  if (arguments.verify && !compiled) {
    return fail(ErrorKind::kUsage, "--verify checks .tenon files", {.file = arguments.model});
  }
  if (compiled) {
    TENON_TRY_DO(inspect_artifact(draft, arguments));
  } else {
    TENON_TRY_DO(inspect_model(draft, arguments));
  }
  if (arguments.verify) {
    draft.text += "verified: header, plan, code and weights are as they were written\n";
    draft.json["verified"] = true;
  }
  const bool unsupported = draft.json.contains("unsupported");
  return Report{draft.text, to_text(draft.json),
                unsupported ? exit_code(ErrorKind::kUnsupported) : 0};
}

}  // namespace

void add_inspect(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *app.add_subcommand(
      "inspect", "Show what is in a model, what it becomes, what is unsupported");
  command.add_option("model", arguments->model, "Model file (.onnx, .pt2 or .tenon)")->required();
  command.add_flag("--verify", arguments->verify,
                   "Say that every byte of a .tenon file is as it was written");
  add_compile_options(command, arguments->compile);
  command.add_flag("--json", common.json, "Print one JSON object");
  command.footer(
      "Examples:\n"
      "  tenon inspect resnet50.onnx\n"
      "  tenon inspect resnet50.tenon --verify\n"
      "  tenon inspect resnet50.tenon --json | jq '.steps | length'");
  command.callback([arguments, &chosen] { chosen = [arguments] { return inspect(*arguments); }; });
}

}  // namespace tenon::commands
