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

namespace tenon::commands {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string model, inputs;
  CompileArguments compile;
  std::optional<double> tolerance;
};

/// JSON has no infinity.
Json to_json_number(double number) { return std::isfinite(number) ? Json(number) : Json("inf"); }

Result<Report> check(const Arguments& arguments) {
  TENON_TRY(const bool compiled, is_artifact(arguments.model));
  if (compiled) {
    return fail(ErrorKind::kUsage, "a .tenon file has no graph to compare with",
                {.file = arguments.model}, "give the .onnx file that it was compiled from");
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

  Report report;
  Json list = Json::array();
  bool all_pass = true;
  for (size_t k = 0; k < outputs.size(); ++k) {
    const char* name = model.string(model.plan().outputs[k].name);
    const Difference difference = compare(outputs[k], references[k]);
    const double tolerance = arguments.tolerance.value_or(default_tolerance(outputs[k].dtype()));
    const bool passes = difference.needed_tolerance <= tolerance;
    all_pass = all_pass && passes;
    report.text += fmt::format(
        "{}: {}: max abs error {:.3g}, max rel error {:.3g}; tolerance {:.3g}, {:.3g} would pass\n",
        passes ? "same" : "DIFFERENT", name, difference.max_absolute, difference.max_relative,
        tolerance, difference.needed_tolerance);
    if (!passes) {
      report.text +=
          fmt::format("  worst at element {} of shape [{}]: {:.9g}, reference {:.9g}\n",
                      difference.worst, fmt::join(outputs[k].shape(), ", "),
                      outputs[k].number(difference.worst), references[k].number(difference.worst));
    }
    list.push_back({{"name", name},
                    {"passes", passes},
                    {"max_absolute", to_json_number(difference.max_absolute)},
                    {"max_relative", to_json_number(difference.max_relative)},
                    {"tolerance", tolerance},
                    {"needed_tolerance", to_json_number(difference.needed_tolerance)},
                    {"worst", difference.worst}});
  }
  const Json json = {{"model", arguments.model},
                     {"target", model.target()},
                     {"random_inputs", arguments.inputs.empty()},
                     {"passes", all_pass},
                     {"outputs", std::move(list)}};
  report.json = to_text(json);
  report.exit_code = all_pass ? 0 : exit_code(ErrorKind::kMismatch);
  return report;
}

}  // namespace

void add_check(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      *app.add_subcommand("check", "Compare native code with reference evaluation (slow)");
  command.add_option("model", arguments->model, "Model file (.onnx)")->required();
  command.add_option("--inputs", arguments->inputs, "Arrays as for run (default: random)");
  command.add_option("--tolerance", arguments->tolerance,
                     "Error allowed, relative to the larger of an element and its output's root "
                     "mean square (default: 1e-9 f64, 1e-4 f32, 1e-2 f16, 8e-2 bf16, else 0)");
  command.add_option("--threads", arguments->compile.threads,
                     "Threads to run with (default: as many as there are)");
  add_compile_options(command, arguments->compile);
  command.add_flag("--json", common.json, "Print one JSON object");
  command.footer(
      "Examples:\n"
      "  tenon check resnet50.onnx\n"
      "  tenon check bert.onnx --inputs in.npz --tolerance 1e-5\n"
      "  tenon check net.onnx --without pack-weights --checked");
  command.callback([arguments, &chosen] { chosen = [arguments] { return check(*arguments); }; });
}

}  // namespace tenon::commands
