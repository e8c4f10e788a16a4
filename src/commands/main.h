// The command line.
#pragma once

namespace tenon::commands {

/// Parses the arguments, runs the subcommand and prints its report: results on standard output,
/// errors on standard error, with --json one object on standard output for either. Returns the exit
/// code.
int run_command_line(int argc, char** argv);

}  // namespace tenon::commands
