// The ways in which every small model of the tests is compiled and run.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/target.h"
#include "driver/compile.h"

namespace tenon::testing {

struct Configuration {
  std::string name;
  std::string target = "native";
  bool vectors = true;                 ///< else kernels compute one element at a time
  std::set<std::string> without = {};  ///< steps of the pipeline
  bool checked = false;
  bool text = false;      ///< between two steps the state goes through its text form
  bool poisoned = false;  ///< run as testing/poison.h describes
  bool always = false;    ///< else only when TENON_CONFIGURATIONS asks for it
};

/// All that this machine can run.
inline std::vector<Configuration> all_configurations() {
  std::vector<Configuration> all = {
      {.name = "plain", .always = true},
      {.name = "checked, poisoned", .checked = true, .poisoned = true, .always = true},
      {.name = "x86-64-v3, text", .target = "x86-64-v3", .text = true, .always = true},
      {.name = "poisoned", .poisoned = true},
      {.name = "x86-64-v3, checked", .target = "x86-64-v3", .checked = true},
      {.name = "x86-64-v4", .target = "x86-64-v4"},
      {.name = "one lane", .vectors = false, .without = {"vectorise"}},
      {.name = "one lane, poisoned", .vectors = false, .without = {"vectorise"}, .poisoned = true},
  };
  for (const std::string& step : driver::optional_step_names()) {
    all.push_back({.name = "without " + step, .without = {step}});
    all.push_back({.name = "without " + step + ", checked", .without = {step}, .checked = true});
  }
  std::erase_if(all, [](const Configuration& configuration) {
    Result<Target> target = find_target(configuration.target);
    return !target || !host_can_run(*target);
  });
  return all;
}

/// What a test goes through: those that are always, or all, or the one that the environment
/// variable TENON_CONFIGURATIONS names ("all", "poisoned").
inline const std::vector<Configuration>& configurations() {
  static const std::vector<Configuration> chosen = [] {
    std::vector<Configuration> list = all_configurations();
    const char* wanted = std::getenv("TENON_CONFIGURATIONS");
    std::erase_if(list, [&](const Configuration& configuration) {
      if (!wanted) return !configuration.always;
      return wanted != std::string_view("all") && wanted != configuration.name;
    });
    if (list.empty()) throw std::runtime_error("TENON_CONFIGURATIONS names no configuration");
    return list;
  }();
  return chosen;
}

}  // namespace tenon::testing
