#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/command.h"
#include "commands/compile_options.h"
#include "commands/hold_signals.h"
#include "commands/inputs.h"
#include "commands/model.h"
#include "commands/npz.h"
#include "commands/text.h"

namespace tenon::commands {
namespace {

struct Arguments {
  std::string model, inputs, outputs;
  CompileArguments compile;
};

Result<Report> run(const Arguments& arguments) {
  TENON_TRY(const driver::CompileOptions options, compile_options(arguments.compile));
  Result<Model> opened = Model::open(arguments.model, arguments.compile.threads, options);
  end_progress();
  TENON_TRY(const Model model, std::move(opened));
  TENON_TRY(const std::vector<ops::Tensor> inputs, read_inputs(model, arguments.inputs));
  TENON_TRY(std::vector<ops::Tensor> outputs, model.make_outputs(inputs));
  TENON_TRY_DO(model.run(inputs, outputs));
  {
    const HoldSignals hold;
    TENON_TRY_DO(write_npz(arguments.outputs, named_outputs(model, outputs)));
  }
  Report report;
  nlohmann::ordered_json list = nlohmann::json::array();
  for (size_t k = 0; k < outputs.size(); ++k) {
    const char* name = model.string(model.plan().outputs[k].name);
    const std::string_view dtype = ir::to_string(outputs[k].dtype());
    report.text += fmt::format("{}: {}[{}]\n", name, dtype, fmt::join(outputs[k].shape(), ", "));
    list.push_back({{"name", name}, {"dtype", dtype}, {"shape", outputs[k].shape()}});
  }
  const nlohmann::ordered_json json = {
      {"model", arguments.model}, {"file", arguments.outputs}, {"outputs", std::move(list)}};
  report.json = to_text(json);
  return report;
}

}  // namespace

void add_run(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *app.add_subcommand("run", "Run a model once on arrays from a file");
  command
      .add_option("model", arguments->model, "Model file (.tenon, or .onnx, .pt2 to compile first)")
      ->required();
  command
      .add_option("--inputs", arguments->inputs,
                  ".npz file with an array for each input, by name or as in_0, in_1, ...")
      ->required();
  command.add_option("--outputs", arguments->outputs, ".npz file to write")->required();
  command.add_option("--threads", arguments->compile.threads,
                     "Threads to run with (default: as many as there are)");
  add_compile_options(command, arguments->compile);
  command.add_flag("--json", common.json, "Print one JSON object");
  command.footer(
      "Examples:\n"
      "  tenon run resnet50.tenon --inputs in.npz --outputs out.npz\n"
      "  tenon run resnet50.onnx --inputs in.npz --outputs out.npz --threads 1");
  command.callback([arguments, &chosen] { chosen = [arguments] { return run(*arguments); }; });
}

}  // namespace tenon::commands
