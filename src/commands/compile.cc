#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands/command.h"
#include "commands/compile_options.h"
#include "commands/hold_signals.h"
#include "commands/plan_view.h"
#include "commands/text.h"

namespace tenon::commands {
namespace {

struct Arguments {
  std::string model, output, from, to;
  CompileArguments compile;
  std::optional<uint32_t> kernel;
  bool verbose = false;
};

/// Adds the steps' times to a report.
nlohmann::ordered_json describe_steps(const std::vector<driver::StepReport>& steps, bool verbose,
                                      std::string& text) {
  nlohmann::ordered_json json = nlohmann::json::array();
  for (const driver::StepReport& step : steps) {
    if (verbose) text += fmt::format("  {:>10.3f} ms  {}\n", 1e3 * step.seconds, step.name);
    json.push_back({{"name", step.name}, {"seconds", step.seconds}});
  }
  return json;
}

/// Where --dump-kernel writes.
std::filesystem::path kernel_folder(const Arguments& arguments) {
  return fmt::format("{}.kernel-{}", arguments.output, arguments.kernel.value_or(0));
}

Result<void> save_kernel(const Arguments& arguments, const driver::CompiledModel& compiled) {
  if (!arguments.kernel) return {};
  const std::filesystem::path folder = kernel_folder(arguments);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    return fail(ErrorKind::kIo,
                fmt::format("cannot make the folder '{}': {}", folder.string(), failure.message()));
  }
  for (const auto& [name, text] : compiled.kernel_files) {
    TENON_TRY_DO(driver::save(std::as_bytes(std::span(text)), folder / name));
  }
  return {};
}

/// Stops on the way and writes the model's text.
Result<Report> compile_part(const Arguments& arguments, const driver::CompileOptions& options) {
  const HoldSignals hold;
  Result<std::vector<driver::StepReport>> steps =
      driver::compile_to_text(arguments.model, arguments.to, options, arguments.output);
  end_progress();
  if (!steps) return std::unexpected(std::move(steps).error());
  Report report;
  report.text =
      fmt::format("{} -> {}\n  after {}\n", arguments.model, arguments.output, arguments.to);
  const nlohmann::ordered_json json = {
      {"model", arguments.model},
      {"output", arguments.output},
      {"after", arguments.to},
      {"compile_steps", describe_steps(*steps, arguments.verbose, report.text)}};
  report.json = to_text(json);
  return report;
}

Report describe(const Arguments& arguments, const driver::CompiledModel& compiled) {
  const std::vector<PlanView> views = PlanView::of(compiled.artifact);
  const tenon_file_header& header = views.front().header();
  Report report;
  report.text = fmt::format("{} -> {}\n  {}, {} of weights\n", arguments.model, arguments.output,
                            format_bytes(compiled.artifact.bytes().size()),
                            format_bytes(header.weights_bytes));
  nlohmann::ordered_json json = {{"model", arguments.model},
                                 {"output", arguments.output},
                                 {"seconds", compiled.seconds},
                                 {"file_bytes", compiled.artifact.bytes().size()},
                                 {"weight_bytes", header.weights_bytes},
                                 {"cached_kernels", compiled.cached_kernels}};
  for (const PlanView& view : views) {
    report.text += fmt::format("  for {}: {} kernels in {} steps, {} of code\n",
                               view.header().target, view.plan().kernel_count,
                               view.plan().step_count, format_bytes(view.header().code_bytes));
    const nlohmann::ordered_json target = {{"target", view.header().target},
                                           {"code_bytes", view.header().code_bytes},
                                           {"kernels", view.plan().kernel_count},
                                           {"steps", view.plan().step_count}};
    if (&view == &views.front()) {
      json.update(target);
    } else {
      json["other_targets"].push_back(target);
    }
  }
  report.text += fmt::format("  compiled in {:.2f} s, {} kernels from the cache\n",
                             compiled.seconds, compiled.cached_kernels);
  json["compile_steps"] = describe_steps(compiled.steps, arguments.verbose, report.text);
  report.json = to_text(json);
  return report;
}

/// Large blocks come and go all the time. glibc gives them back to the system, which clears their
/// pages anew; this process lives for one compilation and keeps them.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that it takes
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

Result<Report> compile(const Arguments& arguments) {
  keep_freed_memory();
  TENON_TRY(driver::CompileOptions options, compile_options(arguments.compile));
  options.from = arguments.from;
  options.dump_kernel = arguments.kernel;
  if (!arguments.to.empty() && arguments.to != driver::step_names().back()) {
    return compile_part(arguments, options);
  }
  Result<driver::CompiledModel> result = driver::compile_file(arguments.model, options);
  end_progress();
  TENON_TRY(driver::CompiledModel compiled, std::move(result));
  Report report = describe(arguments, compiled);
  const HoldSignals hold;
  TENON_TRY_DO(driver::save_and_release(std::move(compiled.artifact), arguments.output));
  TENON_TRY_DO(save_kernel(arguments, compiled));
  return report;
}

}  // namespace

void add_compile(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *app.add_subcommand("compile", "Compile a model to one native .tenon file");
  command.add_option("model", arguments->model, "Model file (.onnx, .pt2), or text for --from")
      ->required();
  command.add_option("-o,--output", arguments->output, "File to write")->required();
  add_compile_options(command, arguments->compile);
  command.add_option("--to", arguments->to,
                     "Stop after this step, or after import, and write the model as text");
  command.add_option(
      "--dump-kernel", arguments->kernel,
      "Write the loops, LLVM's text, the assembly and a benchmark of this kernel, as "
      "inspect numbers them, to the folder OUT.kernel-N");
  command.add_option("--from", arguments->from, "Go on after this step with text that --to wrote");
  command.add_option("--threads", arguments->compile.threads,
                     "Threads to compile with (default: as many as there are)");
  command.add_flag("-v,--verbose", arguments->verbose, "Show the time of each step");
  command.add_flag("--json", common.json, "Print one JSON object");
  command.footer(
      "Examples:\n"
      "  tenon compile resnet50.onnx -o resnet50.tenon\n"
      "  tenon compile bert.onnx -o bert.tenon --shape batch=1 --shape sequence=128\n"
      "  tenon compile net.onnx -o net.tenon --shape x:1x3x224x224 --target x86-64-v3\n"
      "  tenon compile net.onnx -o net.tenon --target x86-64-v3,x86-64-v4\n"
      "  tenon compile net.onnx -o net.tn --to place && tenon compile net.tn -o net.tenon --from "
      "place");
  command.callback([arguments, &chosen] { chosen = [arguments] { return compile(*arguments); }; });
}

}  // namespace tenon::commands
