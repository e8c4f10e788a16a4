// What a subcommand of `tenon` is: options declared on the command line's parser, and an action
// that does the work and gives a report.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace CLI {
class App;
}

namespace tenon::commands {

/// The answer of a command, in both forms in which it can be shown.
struct Report {
  std::string text;  ///< for people; ends with a newline unless empty
  std::string json;  ///< one object
  int exit_code = 0;
};

using Action = std::function<Result<Report>()>;

/// Options that every subcommand has.
struct Common {
  bool json = false;
};

/// Each declares its subcommand on `app` and gives the action to run when it was chosen.
void add_compile(CLI::App& app, Common& common, Action& chosen);
void add_run(CLI::App& app, Common& common, Action& chosen);
void add_bench(CLI::App& app, Common& common, Action& chosen);
void add_check(CLI::App& app, Common& common, Action& chosen);
void add_inspect(CLI::App& app, Common& common, Action& chosen);
void add_verdict(CLI::App& app, Common& common, Action& chosen);

/// The process's exit code for an error; docs/cli.md has the table.
int exit_code(ErrorKind kind);

/// An error in the form that `--json` prints.
std::string to_json(const Error& error);

}  // namespace tenon::commands
