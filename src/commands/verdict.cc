#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "commands/command.h"
#include "commands/compile_options.h"
#include "measure/python.h"

namespace tenon::commands {
namespace {

struct Arguments {
  std::string model, inputs, html;
  CompileArguments compile;
  std::vector<std::string> against;
  std::optional<double> seconds, apart, causes, tolerance;
  std::optional<uint32_t> epochs;
  bool thorough = false, trust_pickle = false;
};

/// The command line of the Python module that does the work.
std::vector<std::string> command_of(const Arguments& arguments, bool json) {
  std::vector<std::string> command = {"python3", "-m", "tenon.verdict", arguments.model};
  auto add = [&](const char* option, const std::string& value) {
    command.emplace_back(option);
    command.push_back(value);
  };
  auto add_number = [&](const char* option, const auto& value) {
    if (value) add(option, fmt::format("{}", *value));
  };
  if (!arguments.inputs.empty()) add("--inputs", arguments.inputs);
  if (!arguments.html.empty()) add("--html", arguments.html);
  if (!arguments.against.empty())
    add("--against", fmt::format("{}", fmt::join(arguments.against, ",")));
  if (arguments.compile.threads > 0) add("--threads", std::to_string(arguments.compile.threads));
  add_number("--seconds", arguments.seconds);
  add_number("--epochs", arguments.epochs);
  add_number("--apart", arguments.apart);
  add_number("--causes", arguments.causes);
  add_number("--tolerance", arguments.tolerance);
  add("--target", arguments.compile.target);
  for (const std::string& step : arguments.compile.without) add("--without", step);
  for (const std::string& shape : arguments.compile.shapes) add("--shape", shape);
  if (arguments.thorough) command.emplace_back("--thorough");
  if (arguments.trust_pickle) command.emplace_back("--trust-pickle");
  if (json) command.emplace_back("--json");
  return command;
}

volatile sig_atomic_t child_at_work = 0;

/// While one lives, SIGINT and SIGTERM go on to the child, which ends its own children first.
class ForwardSignals {
 public:
  explicit ForwardSignals(pid_t child) {
    child_at_work = child;
    struct sigaction forward = {};
    forward.sa_handler = [](int signal) { kill(child_at_work, signal); };
    sigaction(SIGINT, &forward, &interrupt_);
    sigaction(SIGTERM, &forward, &terminate_);
  }
  ~ForwardSignals() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  ForwardSignals(const ForwardSignals&) = delete;

 private:
  struct sigaction interrupt_, terminate_;
};

struct Ended {
  std::string output;
  int exit_code = 0;
};

/// Runs a program to its end, its errors on ours; a signal that ended it ends this process too.
Result<Ended> run_program(std::vector<std::string> command) {
  std::array<int, 2> pipe_ends;
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0)
    return fail(ErrorKind::kIo, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  std::vector<std::string> environment = measure::python_environment();
  pid_t child = 0;
  const int failed =
      posix_spawnp(&child, command[0].c_str(), &actions, nullptr, measure::pointers(command).data(),
                   measure::pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  Ended ended;
  int status = 0;
  if (failed == 0) {
    const ForwardSignals forward(child);
    char part[4096];
    ssize_t bytes = 0;
    while ((bytes = read(pipe_ends[0], part, sizeof(part))) > 0 || (bytes < 0 && errno == EINTR))
      if (bytes > 0) ended.output.append(part, static_cast<size_t>(bytes));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  close(pipe_ends[0]);
  if (failed != 0) {
    return fail(ErrorKind::kUnsupported,
                fmt::format("cannot start python3: {}", std::strerror(failed)), {},
                "a verdict runs other engines through Python: put python3 on $PATH");
  }
  if (WIFSIGNALED(status)) raise(WTERMSIG(status));
  ended.exit_code = WEXITSTATUS(status);
  return ended;
}

Result<Report> verdict(const Arguments& arguments, bool json) {
  TENON_TRY(Ended ended, run_program(command_of(arguments, json)));
  // Python itself ends with 1 when there is no such module; a verdict with that code has an output.
  if (ended.exit_code == 1 && ended.output.empty()) {
    return fail(ErrorKind::kUnsupported, "'python3 -m tenon.verdict' does not run", {},
                "python3 must have the packages tenon and numpy");
  }
  if (json && !ended.output.empty()) ended.output.pop_back();  // main ends it
  return Report{ended.output, ended.output, ended.exit_code};
}

}  // namespace

void add_verdict(CLI::App& app, Common& common, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& command =
      *app.add_subcommand("verdict", "Tell whether compiling a model helps or hurts, and why");
  command
      .add_option("model", arguments->model,
                  "Model file: .onnx (ONNX Runtime stands in for eager unless a .pt2 lies beside), "
                  ".pt2, or .pt with --trust-pickle")
      ->required();
  command.add_option("--inputs", arguments->inputs, "Arrays as for run (default: random)");
  command
      .add_option("--against", arguments->against,
                  "Other engines to measure too: eager, ort, openvino, inductor")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--threads", arguments->compile.threads,
                     "Threads for each engine (default: as many as there are)");
  command.add_option("--seconds", arguments->seconds,
                     "How long to measure each engine in each epoch (default: 1)");
  command.add_option("--epochs", arguments->epochs,
                     "Spells of measuring, each with new processes (default: 6)");
  command.add_option("--apart", arguments->apart,
                     "Seconds between two epochs at least (default: 0)");
  command.add_option("--causes", arguments->causes,
                     "Seconds to look for causes (default: 20; 0: none)");
  command.add_flag("--thorough", arguments->thorough,
                   "Six longer epochs, half a minute apart; time for every cause");
  command.add_option("--tolerance", arguments->tolerance,
                     "Error of an output, relative to its largest value, from which on the answer "
                     "is wrong (default: by dtype, 0.001 for float32)");
  command.add_option("--target", arguments->compile.target, "CPU to compile for")
      ->capture_default_str();
  command
      .add_option("--without", arguments->compile.without,
                  "Leave out a step of the pipeline (repeatable), as for compile")
      ->allow_extra_args(false);
  command
      .add_option("--shape", arguments->compile.shapes,
                  "Fix sizes: x:1x3x224x224 for an input, batch=8 for a named size (repeatable)")
      ->allow_extra_args(false);
  command.add_flag("--trust-pickle", arguments->trust_pickle,
                   "Load .pt files, which run what their makers wrote into them");
  command.add_option("--html", arguments->html, "Write a report to this file");
  command.add_flag("--json", common.json, "Print one JSON object; times in seconds");
  command.footer(
      "Exit codes: 0 helps, 10 no difference, 11 hurts, 12 cannot tell (noise), 1 wrong answer;\n"
      "2 to 9 could not run, as for other commands\n"
      "Examples:\n"
      "  tenon verdict resnet50.onnx --threads 2\n"
      "  tenon verdict bert.pt2 --inputs in.npz --against ort,openvino,inductor\n"
      "  tenon verdict net.onnx --thorough --html report.html\n"
      "  tenon verdict net.onnx --json | jq '.causes[0].finding'");
  command.callback([arguments, &common, &chosen] {
    chosen = [arguments, &common] { return verdict(*arguments, common.json); };
  });
}

}  // namespace tenon::commands
