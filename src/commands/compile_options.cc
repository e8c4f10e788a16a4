#include "commands/compile_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "base/target.h"
#include "driver/code_cache.h"

namespace tenon::commands {
namespace {

std::optional<int64_t> parse_size(std::string_view text) {
  int64_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size() || size < 0) return std::nullopt;
  return size;
}

/// "1x3x224x224"; empty for a scalar.
std::optional<std::vector<int64_t>> parse_shape(std::string_view text) {
  std::vector<int64_t> shape;
  while (!text.empty()) {
    const size_t end = std::min(text.find('x'), text.size());
    const std::optional<int64_t> size = parse_size(text.substr(0, end));
    if (!size || end + 1 == text.size()) return std::nullopt;
    shape.push_back(*size);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return shape;
}

/// Names may have colons and equal signs in them: the last one counts.
bool add_shape(const std::string& text, driver::CompileOptions& options) {
  if (const size_t colon = text.rfind(':'); colon != std::string::npos && colon > 0) {
    if (auto shape = parse_shape(std::string_view(text).substr(colon + 1))) {
      options.shapes[text.substr(0, colon)] = *std::move(shape);
      return true;
    }
  }
  if (const size_t equals = text.rfind('='); equals != std::string::npos && equals > 0) {
    if (const auto size = parse_size(std::string_view(text).substr(equals + 1))) {
      options.symbols[text.substr(0, equals)] = *size;
      return true;
    }
  }
  return false;
}

std::string wiped_line(std::string_view text) { return fmt::format("\r\033[K{}", text); }

}  // namespace

void add_compile_options(CLI::App& app, CompileArguments& arguments) {
  app.add_option("--shape", arguments.shapes,
                 "Fix sizes: x:1x3x224x224 for an input, batch=8 for a named size (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--operators", arguments.operators,
                 "File that defines operators of your own (docs/operators.md)");
  app.add_option("--target", arguments.target,
                 fmt::format("CPU to compile for, or several with commas between them: native, {}; "
                             "of a .tenon file, whose code to take",
                             fmt::join(target_names(), ", ")))
      ->capture_default_str();
  app.add_option("--without", arguments.without,
                 fmt::format("Leave out a step of the pipeline (repeatable): {}",
                             fmt::join(driver::optional_step_names(), ", ")))
      ->allow_extra_args(false);
  app.add_flag("--checked", arguments.checked,
               "Generated code checks every load and store against its buffer's bounds");
  app.add_option(
      "--cache", arguments.cache,
      "Folder that keeps compiled kernels, or \"off\" (default: $TENON_CACHE, else tenon in "
      "the user's cache folder)");
  app.add_option("--dump", arguments.dump,
                 "Folder for the model's text after each step that changed it");
}

Result<driver::CompileOptions> compile_options(const CompileArguments& arguments) {
  driver::CompileOptions options;
  options.target = arguments.target;
  options.threads = static_cast<int>(
      arguments.threads ? arguments.threads : std::max(1U, std::thread::hardware_concurrency()));
  options.checked = arguments.checked;
  options.dump = arguments.dump;
  options.cache = driver::cache_folder(arguments.cache);
  options.without = {arguments.without.begin(), arguments.without.end()};
  Error wrong{ErrorKind::kUsage, {}};
  for (const std::string& text : arguments.shapes) {
    if (!add_shape(text, options)) {
      wrong.diagnostics.push_back(
          {fmt::format("--shape {}: this is no shape", text),
           {},
           "write x:1x3x224x224 for an input, or batch=8 for a named size"});
    }
  }
  std::ranges::move(driver::check_left_out(options.without), std::back_inserter(wrong.diagnostics));
  if (!wrong.diagnostics.empty()) return std::unexpected(std::move(wrong));
  if (!options.dump.empty()) {
    std::error_code failure;
    std::filesystem::create_directories(options.dump, failure);
    if (failure) {
      return fail(ErrorKind::kIo, fmt::format("cannot make the folder '{}': {}", arguments.dump,
                                              failure.message()));
    }
  }
  if (!arguments.operators.empty()) {
    std::ifstream file(arguments.operators);
    options.operators.assign(std::istreambuf_iterator<char>(file), {});
    if (!file) {
      return fail(ErrorKind::kIo, "cannot read the file", {.file = arguments.operators});
    }
  }
  if (isatty(STDERR_FILENO)) {
    options.progress = [total = driver::step_names().size() + 1,
                        done = size_t{0}](std::string_view step) mutable {
      fmt::print(stderr, "{}", wiped_line(fmt::format("[{}/{}] {}", ++done, total, step)));
      std::fflush(stderr);
    };
  }
  return options;
}

void end_progress() {
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "{}", wiped_line(""));
}

}  // namespace tenon::commands
