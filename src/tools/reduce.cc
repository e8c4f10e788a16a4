// Shrinks a graph that something is wrong with (checks/reduce.h).
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "checks/reduce.h"
#include "driver/saved_data.h"
#include "driver/state_text.h"

namespace {

using std::filesystem::path;
using tenon::driver::State;

struct Arguments {
  path input, output;
  std::string command, target = "native";
};

tenon::Result<std::string> read(const path& file, State& state) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  TENON_TRY(const tenon::ir::DataResolver resolve,
            tenon::driver::open_data(tenon::driver::data_path(file)));
  TENON_TRY(std::string step, tenon::driver::read_state(text.str(), resolve, state));
  state.module.keep_alive(std::make_shared<tenon::ir::DataResolver>(resolve));
  return step;
}

tenon::Result<void> write(const State& state, std::string_view step, const path& file) {
  const tenon::ir::Module* module = &state.module;
  TENON_TRY_DO(tenon::driver::save_data({&module, 1}, tenon::driver::data_path(file)));
  const std::string text = tenon::driver::state_text(state, step);
  return tenon::driver::save(std::as_bytes(std::span(text)), file);
}

/// Runs the command on the module, in the file that will be the result.
int run_command(const Arguments& arguments, const State& state, std::string_view step) {
  if (!write(state, step, arguments.output)) return 3;
  execl("/bin/sh", "sh", "-c", (arguments.command + " \"$1\"").c_str(), "sh",
        arguments.output.c_str(), nullptr);
  return 3;
}

tenon::Result<int> reduce(const Arguments& arguments) {
  const tenon::driver::CompileOptions options{.target = arguments.target};
  TENON_TRY(tenon::Target target, tenon::find_target(arguments.target));
  State state{.module = {}, .target = std::move(target), .options = options};
  TENON_TRY(const std::string step, read(arguments.input, state));
  if (!state.module.groups.empty() || !state.kernels.empty()) {
    return tenon::fail(tenon::ErrorKind::kUsage, "only graphs without groups can shrink", {},
                       "stop earlier: tenon compile MODEL --to import");
  }
  const auto code_of = [&](const tenon::ir::Module& module) {
    return tenon::checks::exit_code_of([&] {
      if (arguments.command.empty()) return tenon::checks::compare_native(module, options);
      State trial{.module = module, .target = state.target, .options = options};
      return run_command(arguments, trial, step);
    });
  };
  const int wanted = code_of(state.module);
  if (wanted == 0) {
    return tenon::fail(tenon::ErrorKind::kUsage, "nothing is wrong with this graph");
  }
  size_t trials = 0;
  const size_t before = state.module.graph.nodes.size();
  state.module = tenon::checks::reduce(state.module, [&](const tenon::ir::Module& module) {
    ++trials;
    return code_of(module) == wanted;
  });
  TENON_TRY_DO(write(state, step, arguments.output));
  fmt::print("{} -> {} nodes with exit code {} in {} trials\n", before,
             state.module.graph.nodes.size(), wanted, trials);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Shrinks a graph for as long as the exit code of a check stays what it is. Without "
      "--command\n"
      "the check is that native code gives the interpreter's results.");
  Arguments arguments;
  app.add_option("graph", arguments.input, "Text that tenon compile --to import wrote")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("-o,--output", arguments.output, "File to write")->required();
  app.add_option("--command", arguments.command, "Called with a file; 0 when nothing is wrong");
  app.add_option("--target", arguments.target, "CPU to compile for")->capture_default_str();
  app.footer(
      "Example:\n"
      "  tenon compile net.onnx --to import -o net.tn\n"
      "  reduce net.tn -o small.tn --command 'tenon compile --from import -o small.tenon'");
  CLI11_PARSE(app, argc, argv);
  const tenon::Result<int> code = reduce(arguments);
  if (code) return *code;
  fmt::print(stderr, "{}\n", code.error().text());
  return 2;
}
