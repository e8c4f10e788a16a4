// Compiles modules in a configuration.
#pragma once

#include <deque>
#include <map>
#include <stdexcept>

#include "driver/pipeline.h"
#include "driver/state_text.h"
#include "testing/configuration.h"

namespace tenon::testing {

/// Finds the large data of a state's modules, which must outlive what is read with it.
inline ir::DataResolver data_of(const driver::State& state) {
  std::map<std::string, ir::Data, std::less<>> known;
  auto add = [&](const ir::Module& module) {
    for (uint32_t i = 0; i < module.data_count(); ++i) {
      const ir::Data& data = module.data(ir::DataId(i));
      known.emplace(ir::data_hash(data), data);
    }
  };
  add(state.module);
  if (state.prepare) add(state.prepare->module);
  return [known = std::move(known)](std::string_view hash) -> std::optional<ir::Data> {
    const auto found = known.find(hash);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  };
}

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

/// Runs the pipeline; after each step the state is printed, and what is read back goes on.
inline driver::Artifact run_through_text(driver::State first) {
  std::deque<driver::State> states;  // each borrows data from the one before
  states.push_back(std::move(first));
  std::string done(driver::kImport);
  for (const std::string& step : driver::step_names()) {
    driver::State& state = states.back();
    value_or_throw(driver::run_pipeline(state, done, step));
    done = step;
    if (done == driver::kLastStep) break;
    const std::string text = driver::state_text(state, step);
    driver::State next{.target = state.target, .options = state.options};
    value_or_throw(driver::read_state(text, data_of(state), next));
    if (driver::state_text(next, step) != text) {
      throw std::runtime_error("the text after " + step + " changes when it is read: " + text);
    }
    states.push_back(std::move(next));
  }
  return states.back().artifact;
}

/// Throws what the pipeline says is wrong.
inline driver::Artifact compile(const ir::Module& module, const Configuration& configuration) {
  driver::CompileOptions options;
  options.target = configuration.target;
  options.without = configuration.without;
  options.checked = configuration.checked;
  driver::State state{
      .module = module, .target = value_or_throw(find_target(options.target)), .options = options};
  if (!configuration.vectors) state.target.vector_bytes = sizeof(float);
  if (configuration.text) return run_through_text(std::move(state));
  value_or_throw(driver::run_pipeline(state));
  return state.artifact;
}

}  // namespace tenon::testing
