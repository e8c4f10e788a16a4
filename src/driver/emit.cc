#include "driver/emit.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "codegen/codegen.h"
#include "driver/pipeline.h"
#include "driver/plan.h"
#include "interp/graph.h"

namespace tenon::driver {
namespace {

/// Reports the time that a part of this step took.
class Part {
 public:
  Part(State& state, std::string name) : state_(state), name_(std::move(name)) {}
  Part(const Part&) = delete;
  ~Part() {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start_;
    state_.parts.push_back({std::move(name_), time.count(), true});
  }

 private:
  State& state_;
  std::string name_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

codegen::Image generate_code(State& state) {
  const Part part(state, "emit: code");
  return codegen::compile(state.functions, state.target,
                          {.checked = state.options.checked, .threads = state.options.threads});
}

/// Copies the weights that the model file holds, and evaluates the others into their place: work on
/// weights runs once, so it is evaluated rather than compiled (docs/adr).
Result<void> write_weights(State& state, const Plan& plan,
                           std::span<const std::span<std::byte>> memory) {
  const Part part(state, "emit: weights");
  const passes::Prepare& prepare = *state.prepare;
  std::vector<std::span<std::byte>> results(prepare.results.size());
  for (size_t i = 0; i < memory.size(); ++i) {
    const auto result = std::ranges::find(prepare.results, plan.weights[i]);
    if (result != prepare.results.end()) {
      results[result - prepare.results.begin()] = memory[i];
    } else {
      const std::span<const std::byte> bytes = state.module.data(plan.weights[i]).bytes;
      std::memcpy(memory[i].data(), bytes.data(), bytes.size());
    }
  }
  return interp::run_into(prepare.module, results);
}

}  // namespace

Result<void> emit(State& state) {
  const codegen::Image image = generate_code(state);
  TENON_TRY(const Plan plan,
            make_plan(state.module, state.kernels, state.functions, state.function_of));
  auto write = [&](std::span<const std::span<std::byte>> memory) {
    return write_weights(state, plan, memory);
  };
  TENON_TRY(state.artifact, write_artifact({.plan = plan,
                                            .code = image.code,
                                            .entries = image.entries,
                                            .target = state.target,
                                            .info = "{}"},
                                           write));
  return {};
}

}  // namespace tenon::driver
