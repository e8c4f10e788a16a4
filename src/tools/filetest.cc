// Runs filetests (checks/filetest.h): every .tn file under the given files and folders.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "checks/filetest.h"

namespace {

using std::filesystem::path;

std::vector<path> files_under(const std::vector<path>& places) {
  std::vector<path> files;
  for (const path& place : places) {
    if (!std::filesystem::is_directory(place)) {
      files.push_back(place);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place)) {
      if (entry.path().extension() == ".tn") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

/// Whether the file is right; with `bless` it is made so.
bool run(const path& file, bool bless, const char* program) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  const bool must_fail = file.filename().string().starts_with("fail_");
  tenon::checks::Outcome outcome = tenon::checks::run_filetest(text.str(), must_fail);
  if (outcome.problems.empty()) return true;
  if (bless) {
    std::ofstream(file, std::ios::binary) << outcome.blessed;
    fmt::print("blessed {}\n", file.string());
    // Code that disagrees with the interpreter cannot be accepted.
    outcome = tenon::checks::run_filetest(outcome.blessed, must_fail);
    if (outcome.problems.empty()) return true;
  }
  for (const std::string& problem : outcome.problems) {
    fmt::print("{}: {}\n", file.string(), problem);
  }
  fmt::print("  to run this file alone: {} {} (--bless to accept)\n", program, file.string());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs filetests.");
  std::vector<path> places;
  bool bless = false;
  app.add_option("places", places, "Files and folders")->required()->check(CLI::ExistingPath);
  app.add_flag("--bless", bless, "Rewrite the files so that they say what was found");
  CLI11_PARSE(app, argc, argv);
  const std::vector<path> files = files_under(places);
  const auto wrong =
      std::ranges::count_if(files, [&](const path& file) { return !run(file, bless, argv[0]); });
  fmt::print("{} filetests, {} wrong\n", files.size(), wrong);
  return wrong == 0 && !files.empty() ? 0 : 1;
}
