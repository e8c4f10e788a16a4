// The compiler's options as subcommands take them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "driver/compile.h"

namespace CLI {
class App;
}

namespace tenon::commands {

/// What the command line gave, as text.
struct CompileArguments {
  std::vector<std::string> shapes;  ///< "x:1x3x224x224" or "batch=8"
  std::vector<std::string> without;
  std::string target = "native";
  std::string dump;
  std::string operators;  ///< file of definitions
  std::string cache;      ///< as driver::cache_folder takes it
  uint32_t threads = 0;   ///< 0: as many as the process may use
  bool checked = false;
};

/// Declares --shape, --operators, --target, --without, --checked, --cache and --dump.
void add_compile_options(CLI::App& app, CompileArguments& arguments);

/// The driver's options, with progress on standard error when that is a terminal. Malformed shapes
/// and unknown steps are kUsage, all of them listed.
Result<driver::CompileOptions> compile_options(const CompileArguments& arguments);

/// Wipes the line that progress was shown on.
void end_progress();

}  // namespace tenon::commands
