#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands/command.h"
#include "commands/compile_options.h"
#include "commands/difference.h"
#include "commands/inputs.h"
#include "commands/model.h"
#include "commands/text.h"
#include "interp/graph.h"
#include "ops/op.h"

namespace tenon::commands {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string model, inputs;
  CompileArguments compile;
  std::optional<double> tolerance;
  bool layers = false;
};

/// JSON has no infinity.
Json to_json_number(double number) { return std::isfinite(number) ? Json(number) : Json("inf"); }

/// What a comparison adds to a report.
struct Comparison {
  std::string text;
  Json list = Json::array();
  size_t different = 0;
};

/// Compares outputs with their references, in order; the text has all of them, or only those that
/// differ.
Comparison compare_all(const Model& model, std::span<const ops::Tensor> outputs,
                       std::span<const ops::Tensor> references, const Arguments& arguments,
                       bool only_different) {
  Comparison result;
  for (size_t k = 0; k < outputs.size(); ++k) {
    const char* name = model.string(model.plan().outputs[k].name);
    if (outputs[k].shape() != references[k].shape()) {
      result.text +=
          fmt::format("DIFFERENT: {}: shape [{}], reference [{}]\n", name,
                      fmt::join(outputs[k].shape(), ", "), fmt::join(references[k].shape(), ", "));
      result.list.push_back({{"name", name},
                             {"passes", false},
                             {"shape", outputs[k].shape()},
                             {"reference_shape", references[k].shape()}});
      ++result.different;
      continue;
    }
    const Difference difference = compare(outputs[k], references[k]);
    const double tolerance = arguments.tolerance.value_or(default_tolerance(outputs[k].dtype()));
    const bool passes = difference.needed_tolerance <= tolerance;
    result.different += !passes;
    if (!passes || !only_different) {
      result.text += fmt::format(
          "{}: {}: max abs error {:.3g}, max rel error {:.3g}; tolerance {:.3g}, {:.3g} would "
          "pass\n",
          passes ? "same" : "DIFFERENT", name, difference.max_absolute, difference.max_relative,
          tolerance, difference.needed_tolerance);
    }
    if (!passes) {
      result.text +=
          fmt::format("  worst at element {} of shape [{}]: {:.9g}, reference {:.9g}\n",
                      difference.worst, fmt::join(outputs[k].shape(), ", "),
                      outputs[k].number(difference.worst), references[k].number(difference.worst));
    }
    result.list.push_back({{"name", name},
                           {"passes", passes},
                           {"max_absolute", to_json_number(difference.max_absolute)},
                           {"max_relative", to_json_number(difference.max_relative)},
                           {"tolerance", tolerance},
                           {"needed_tolerance", to_json_number(difference.needed_tolerance)},
                           {"worst", difference.worst}});
  }
  return result;
}

/// The graph with the result of every node as an output, named after the node, in order.
ir::Module with_every_value(ir::Module module) {
  module.graph.outputs.clear();
  module.graph.output_names.clear();
  for (ir::NodeId id : module.graph.nodes) {
    const ir::Node& node = module.node(id);
    if (ops::operator_of(node.op).traits.leaf) continue;
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      const std::string origin = module.where(id).node;
      const std::string name = origin.empty() ? std::string(ir::info(node.op).name) : origin;
      module.graph.outputs.push_back(node.outputs[k]);
      module.graph.output_names.push_back(k == 0 ? name : fmt::format("{} result {}", name, k));
    }
  }
  return module;
}

/// Compiles once more, for all values.
Result<Comparison> compare_layers(const Arguments& arguments, const ir::Module& module,
                                  const driver::CompileOptions& options,
                                  std::span<const ops::Tensor> inputs) {
  const ir::Module every = with_every_value(module);
  TENON_TRY(driver::CompiledModel compiled, driver::compile(every, options));
  TENON_TRY(const Model model,
            Model::load(std::move(compiled.artifact), arguments.compile.threads, arguments.model));
  TENON_TRY(std::vector<ops::Tensor> outputs, model.make_outputs(inputs));
  TENON_TRY_DO(model.run(inputs, outputs));
  TENON_TRY(const std::vector<ops::Tensor> references, interp::run(every, inputs));
  Comparison layers = compare_all(model, outputs, references, arguments, true);
  layers.text =
      fmt::format("layers: {} of {} differ\n{}", layers.different, outputs.size(), layers.text);
  return layers;
}

Result<Report> check(const Arguments& arguments) {
  TENON_TRY(const bool compiled, is_artifact(arguments.model));
  if (compiled) {
    return fail(ErrorKind::kUsage, "a .tenon file has no graph to compare with",
                {.file = arguments.model}, "give the model file that it was compiled from");
  }
  TENON_TRY(const driver::CompileOptions options, compile_options(arguments.compile));
  Result<Model> opened = Model::open(arguments.model, arguments.compile.threads, options);
  end_progress();
  TENON_TRY(const Model model, std::move(opened));
  TENON_TRY(const std::vector<ops::Tensor> inputs, make_inputs(model, arguments.inputs));
  TENON_TRY(std::vector<ops::Tensor> outputs, model.make_outputs(inputs));
  TENON_TRY_DO(model.run(inputs, outputs));
  TENON_TRY(const ir::Module module, driver::import_file(arguments.model, options));
  TENON_TRY(const std::vector<ops::Tensor> references, interp::run(module, inputs));

  Comparison comparison = compare_all(model, outputs, references, arguments, false);
  size_t different = comparison.different;
  Json json = {{"model", arguments.model},
               {"target", model.target()},
               {"random_inputs", arguments.inputs.empty()},
               {"passes", different == 0},
               {"outputs", std::move(comparison.list)}};
  Report report{std::move(comparison.text)};
  if (arguments.layers) {
    Result<Comparison> compared = compare_layers(arguments, module, options, inputs);
    end_progress();
    TENON_TRY(Comparison layers, std::move(compared));
    different += layers.different;
    report.text += layers.text;
    json["passes"] = different == 0;
    json["layers"] = std::move(layers.list);
  }
  report.json = to_text(json);
  report.exit_code = different == 0 ? 0 : exit_code(ErrorKind::kMismatch);
  return report;
}

}  // namespace

void add_check(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      *app.add_subcommand("check", "Compare native code with reference evaluation (slow)");
  command.add_option("model", arguments->model, "Model file (.onnx, .pt2)")->required();
  command.add_option("--inputs", arguments->inputs, "Arrays as for run (default: random)");
  command.add_option("--tolerance", arguments->tolerance,
                     "Error allowed, relative to the larger of an element and its output's root "
                     "mean square (default: 1e-9 f64, 1e-4 f32, 1e-2 f16, 8e-2 bf16, else 0)");
  command.add_flag("--layers", arguments->layers,
                   "Compare the result of every node too, in code that is compiled for that");
  command.add_option("--threads", arguments->compile.threads,
                     "Threads to run with (default: as many as there are)");
  add_compile_options(command, arguments->compile);
  command.add_flag("--json", common.json, "Print one JSON object");
  command.footer(
      "Examples:\n"
      "  tenon check resnet50.onnx\n"
      "  tenon check bert.onnx --inputs in.npz --tolerance 1e-5\n"
      "  tenon check bert.onnx --layers\n"
      "  tenon check net.onnx --without pack-weights --checked");
  command.callback([arguments, &chosen] { chosen = [arguments] { return check(*arguments); }; });
}

}  // namespace tenon::commands
