#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/target.h"
#include "commands/against.h"
#include "commands/command.h"
#include "commands/compile_options.h"
#include "commands/inputs.h"
#include "commands/model.h"
#include "commands/text.h"
#include "measure/memory.h"
#include "measure/roofline.h"
#include "measure/statistics.h"
#include "measure/timing.h"

namespace tenon::commands {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string model, inputs;
  CompileArguments compile;
  std::vector<std::string> against;
  double seconds = 3;
  bool profile = false;
};

struct StepCost {
  uint32_t step;
  double seconds;  // of one call
  double flops, bytes;
  int64_t rounds;
  int64_t weights;  // bytes, which every round reads

  /// What comes from a cache because an earlier round has read it.
  double cached_bytes() const { return rounds > 1 ? static_cast<double>(rounds * weights) : 0; }
};

/// What this machine can do at most.
struct Machine {
  measure::Roofline roofline;
  std::map<int64_t, double> cached_bytes_per_second;  // by the bytes of a round

  /// Seconds that a step takes at least.
  double seconds(const StepCost& cost) const {
    const double once = roofline.seconds(cost.flops, cost.bytes);
    const auto cached = cached_bytes_per_second.find(cost.weights);
    if (cost.rounds <= 1 || cached == cached_bytes_per_second.end()) return once;
    return std::max(once, cost.cached_bytes() / cached->second);
  }
};

Machine measure_machine(const Model& model, const Target& target,
                        const std::vector<StepCost>& costs) {
  constexpr int64_t kLeast = 512;  // bytes of a thread
  const uint32_t threads = model.threads();
  Machine machine{measure::measure_roofline(threads, target.vector_bytes), {}};
  for (const StepCost& cost : costs) {
    if (cost.rounds <= 1 || cost.weights < threads * kLeast) continue;
    double& rate = machine.cached_bytes_per_second[cost.weights];
    if (rate == 0) {
      rate = measure::cached_bytes_per_second(threads, cost.weights, target.vector_bytes);
    }
  }
  std::erase_if(machine.cached_bytes_per_second, [](const auto& rate) { return rate.second == 0; });
  return machine;
}

/// Bytes of weights that a step reads.
int64_t weight_bytes(const tenon_module& plan, const tenon_step& step) {
  int64_t bytes = 0;
  for (uint32_t i = 0; i < step.buffer_count; ++i) {
    const tenon_buffer& buffer = plan.buffers[plan.step_buffers[step.first_buffer + i]];
    if (buffer.kind == TENON_BUFFER_WEIGHT) bytes += plan.slots[buffer.bytes].value;
  }
  return bytes;
}

/// What one call costs by step, slowest first.
Result<std::vector<StepCost>> profile(const Model& model, const std::function<Result<void>()>& call,
                                      double seconds) {
  tenon_profile(model.context(), 1);
  TENON_TRY_DO(measure::time_calls(call, seconds / 10));
  tenon_profile(model.context(), 1);  // starts again from zero
  size_t calls = 0;
  auto counted = [&]() -> Result<void> {
    ++calls;
    return call();
  };
  TENON_TRY_DO(measure::time_calls(counted, seconds));
  const tenon_step_time* times = tenon_profile_times(model.context());
  std::vector<StepCost> costs;
  for (uint32_t i = 0; i < model.plan().step_count; ++i) {
    costs.push_back({i,
                     1e-9 * static_cast<double>(times[i].nanoseconds) / static_cast<double>(calls),
                     static_cast<double>(times[i].flops), static_cast<double>(times[i].bytes),
                     times[i].rounds, weight_bytes(model.plan(), model.plan().steps[i])});
  }
  tenon_profile(model.context(), 0);
  std::ranges::stable_sort(costs, std::greater(), &StepCost::seconds);
  return costs;
}

void report_profile(Report& report, Json& json, const Model& model,
                    const std::vector<StepCost>& costs, const Machine& machine) {
  double total = 0;
  double least =
      0;  // seconds of all steps at the roofline; one that reads from a cache may beat it
  for (const StepCost& cost : costs) {
    total += cost.seconds;
    least += std::min(cost.seconds, machine.seconds(cost));
  }
  const double whole = least / std::max(total, 1e-9);
  const measure::Roofline& roofline = machine.roofline;
  report.text += fmt::format(
      "profile: this machine, now: {:.1f} GFLOP/s, {:.1f} GB/s from memory; a step that reads from "
      "a cache can pass 100 %\n",
      1e-9 * roofline.flops_per_second, 1e-9 * roofline.bytes_per_second);
  json["roofline"] = {{"flops_per_second", roofline.flops_per_second},
                      {"bytes_per_second", roofline.bytes_per_second},
                      {"cached", Json::array()},
                      {"share", whole}};
  for (const auto& [bytes, rate] : machine.cached_bytes_per_second) {
    report.text += fmt::format("  {:.1f} GB/s from caches, where each round of a step reads {}\n",
                               1e-9 * rate, format_bytes(bytes));
    json["roofline"]["cached"].push_back({{"bytes", bytes}, {"bytes_per_second", rate}});
  }
  report.text += fmt::format("  {:>4} {:>10} {:>7} {:>9} {:>8} {:>9}  nodes\n", "step", "ms",
                             "share", "GFLOP/s", "GB/s", "roofline");
  json["steps"] = Json::array();
  for (const StepCost& cost : costs) {
    const char* nodes = model.string(model.plan().steps[cost.step].name);
    const double seconds = std::max(cost.seconds, 1e-9);
    const double reached = machine.seconds(cost) / seconds;
    const double share = cost.seconds / std::max(total, 1e-9);
    report.text += fmt::format(
        "  {:>4} {:>10.4f} {:>5.1f} % {:>9.2f} {:>8.2f} {:>7.1f} %  {}\n", cost.step,
        1e3 * cost.seconds, 100 * share, 1e-9 * cost.flops / seconds,
        1e-9 * std::max(cost.bytes, cost.cached_bytes()) / seconds, 100 * reached, nodes);
    json["steps"].push_back({{"step", cost.step},
                             {"nodes", nodes},
                             {"seconds", cost.seconds},
                             {"share", share},
                             {"flops", cost.flops},
                             {"bytes", cost.bytes},
                             {"cached_bytes", cost.cached_bytes()},
                             {"roofline_share", reached}});
  }
  report.text += fmt::format("       {:>10.4f} total {:>34.1f} %\n", 1e3 * total, 100 * whole);
}

Json report_latency(Report& report, const measure::Summary& s) {
  report.text += fmt::format(
      "latency ms: p50 {:.4f}, p90 {:.4f}, p95 {:.4f}, p99 {:.4f}; min {:.4f}, mean {:.4f}, stddev "
      "{:.4f}; {} calls\n",
      1e3 * s.p50, 1e3 * s.p90, 1e3 * s.p95, 1e3 * s.p99, 1e3 * s.min, 1e3 * s.mean, 1e3 * s.stddev,
      s.count);
  if (s.stddev > 0.1 * s.mean) {
    report.text +=
        "  times vary by more than a tenth of their mean: something else uses this machine, or its "
        "clock changes\n";
  }
  return {{"p50", s.p50}, {"p90", s.p90},   {"p95", s.p95},       {"p99", s.p99},
          {"min", s.min}, {"mean", s.mean}, {"stddev", s.stddev}, {"count", s.count}};
}

/// The file that other engines read.
Result<std::filesystem::path> onnx_beside(const std::filesystem::path& model) {
  std::filesystem::path onnx = model;
  onnx.replace_extension(".onnx");
  if (std::filesystem::exists(onnx)) return onnx;
  return fail(ErrorKind::kIo,
              fmt::format("--against needs '{}' for the other engines", onnx.string()), {},
              "put the file that the model was compiled from beside it");
}

Result<Report> bench(const Arguments& arguments) {
  Contest contest{{}, arguments.against, arguments.seconds};
  if (!arguments.against.empty()) {
    TENON_TRY(contest.onnx, onnx_beside(arguments.model));
  }
  TENON_TRY(const driver::CompileOptions options, compile_options(arguments.compile));
  Result<Model> opened = Model::open(arguments.model, arguments.compile.threads, options);
  end_progress();
  TENON_TRY(const Model model, std::move(opened));
  TENON_TRY(const std::vector<ops::Tensor> inputs, make_inputs(model, arguments.inputs));
  TENON_TRY(std::vector<ops::Tensor> outputs, model.make_outputs(inputs));
  auto call = [&] { return model.run(inputs, outputs); };
  TENON_TRY(const measure::TimedCalls calls, measure::time_calls(call, arguments.seconds));

  const measure::ProcessMemory memory = measure::process_memory();
  const uint64_t arena = tenon_context_arena_bytes(model.context());
  const uint64_t weights = model.plan().weight_bytes;
  Report report;
  report.text = fmt::format("{}: {} threads, code for {}{}\n", arguments.model, model.threads(),
                            model.target(), arguments.inputs.empty() ? ", random inputs" : "");
  if (model.compile_seconds() > 0)
    report.text += fmt::format("compile {:.3f} s, ", model.compile_seconds());
  report.text += fmt::format(
      "load {:.2f} ms, first call {:.3f} ms\nmemory: arena {}, weights {}; process {} now, {} at "
      "most{}\n",
      1e3 * model.load_seconds(), 1e3 * calls.first, format_bytes(arena), format_bytes(weights),
      format_bytes(memory.resident), format_bytes(memory.peak),
      model.compile_seconds() > 0 ? " (the compiler's part included)" : "");
  Json json = {{"model", arguments.model},
               {"threads", model.threads()},
               {"target", model.target()},
               {"random_inputs", arguments.inputs.empty()},
               {"compile_seconds", model.compile_seconds()},
               {"load_seconds", model.load_seconds()},
               {"first_call_seconds", calls.first},
               {"memory",
                {{"arena", arena},
                 {"weights", weights},
                 {"resident", memory.resident},
                 {"peak", memory.peak}}}};
  json["latency_seconds"] = report_latency(report, measure::summarize(calls.seconds));
  if (!arguments.against.empty()) {
    TENON_TRY_DO(run_contest(contest, model, inputs, call, report, json));
  }
  if (arguments.profile) {
    TENON_TRY(const Target target, find_target(model.target()));
    TENON_TRY(const std::vector<StepCost> costs,
              profile(model, call, std::min(arguments.seconds, 1.0)));
    report_profile(report, json, model, costs, measure_machine(model, target, costs));
  }
  report.json = to_text(json);
  return report;
}

}  // namespace

void add_bench(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *app.add_subcommand("bench", "Time calls of a model");
  command
      .add_option("model", arguments->model, "Model file (.tenon, or .onnx, .pt2 to compile first)")
      ->required();
  command.add_option("--inputs", arguments->inputs, "Arrays as for run (default: random)");
  command.add_option("--threads", arguments->compile.threads,
                     "Threads to run with (default: as many as there are)");
  command.add_option("--seconds", arguments->seconds, "How long to measure")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  command.add_flag("--profile", arguments->profile,
                   "Time of each step too, beside what this machine can do at most");
  command
      .add_option("--against", arguments->against,
                  "Engines to time in turn with: ort, openvino, eager, inductor (the Python "
                  "package's; eager and inductor need the PyTorch module beside as .pt2 or .pt)")
      ->delimiter(',')
      ->allow_extra_args(false);
  add_compile_options(command, arguments->compile);
  command.add_flag("--json", common.json, "Print one JSON object; times in seconds");
  command.footer(
      "Examples:\n"
      "  tenon bench resnet50.tenon --threads 2\n"
      "  tenon bench bert.onnx --inputs in.npz --profile\n"
      "  tenon bench resnet50.onnx --threads 2 --against ort,openvino,eager\n"
      "  tenon bench resnet50.tenon --seconds 10 --json | jq .latency_seconds.p50");
  command.callback([arguments, &chosen] { chosen = [arguments] { return bench(*arguments); }; });
}

}  // namespace tenon::commands
