#include "commands/main.h"

#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <new>
#include <span>
#include <string_view>

#include "commands/command.h"
#include "driver/version.h"

namespace tenon::commands {
namespace {

int show(const Error& error, bool json) {
  if (json) {
    fmt::print("{}\n", to_json(error));
  } else {
    fmt::print(stderr, "{}\n", error.text());
  }
  return exit_code(error.kind);
}

/// When parsing fails, flags behind the failure have not been seen.
bool is_json(std::string_view argument) { return argument == "--json"; }

/// Nothing below may end the process with an exception.
Result<Report> perform(const Action& action) try {
  return action();
} catch (const InternalError& error) {
  return fail(ErrorKind::kInternal, error.what(), {}, "this is a bug in Tenon");
} catch (const std::bad_alloc&) {
  return fail(ErrorKind::kRuntime, "out of memory");
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Compiles models to native code, runs and measures them.", "tenon");
  app.set_version_flag("--version", fmt::format("tenon {}", driver::kVersion));
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 success, 1 a comparison differs, 2 wrong usage, 3 file, 4 damaged model,\n"
      "5 unsupported, 6 shapes, 7 input data, 8 error while running, 9 a bug in Tenon");
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of writing, which says so
  Common common;
  Action action;
  add_compile(app, common, action);
  add_run(app, common, action);
  add_bench(app, common, action);
  add_check(app, common, action);
  add_inspect(app, common, action);
  add_verdict(app, common, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::string help = "tenon";
    for (const CLI::App* command : app.get_subcommands()) help += " " + command->get_name();
    return show(
        {ErrorKind::kUsage, {{error.what(), {}, fmt::format("'{} --help' tells more", help)}}},
        std::ranges::any_of(std::span(argv, argv + argc), is_json));
  }
  const Result<Report> report = perform(action);
  if (!report) return show(report.error(), common.json);
  if (common.json) {
    fmt::print("{}\n", report->json);
  } else {
    fmt::print("{}", report->text);
  }
  return report->exit_code;
}

}  // namespace tenon::commands
