#include "driver/emit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "codegen/codegen.h"
#include "driver/code_cache.h"
#include "driver/pipeline.h"
#include "driver/plan.h"
#include "interp/graph.h"
#include "ir/loop_structure.h"
#include "schedule/recipe.h"

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

/// From the cache, or made now and kept there.
codegen::Image generate_code(State& state) {
  const Part part(state, "emit: code");
  const std::string generator = codegen::generator_identity();
  const CodeCache cache(generator.empty() ? "" : state.options.cache);
  std::vector<codegen::Code> codes(state.functions.size());
  std::vector<const ir::Function*> missing;
  std::vector<size_t> places;
  std::vector<std::string> keys;  // as missing
  for (size_t i = 0; i < codes.size(); ++i) {
    std::string key =
        fmt::format("{} {} {} {} {} {}\n", generator, state.target.triple, state.target.cpu,
                    state.target.features, state.target.vector_bytes, state.options.checked) +
        ir::structure(state.functions[i]);
    if (std::optional<codegen::Code> found = cache.find(key)) {
      codes[i] = *std::move(found);
      continue;
    }
    missing.push_back(&state.functions[i]);
    places.push_back(i);
    keys.push_back(std::move(key));
  }
  state.cached_kernels = codes.size() - missing.size();
  std::vector<codegen::Code> made = codegen::generate(
      missing, state.target, {.checked = state.options.checked, .threads = state.options.threads});
  for (size_t k = 0; k < made.size(); ++k) {
    cache.keep(keys[k], made[k]);
    codes[places[k]] = std::move(made[k]);
  }
  return codegen::join(codes, state.target);
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

/// What `tenon inspect` cannot see in the plan: how the loops of each step were made.
std::string info(const State& state) {
  // The nodes behind the anchor are its epilogue.
  const auto recipes_of = [&](const ir::Group& group) {
    std::vector<std::string_view> names;
    for (ir::NodeId node : group.nodes) {
      const auto* recipe =
          schedule::find_recipe(state.module, state.module.node(node), state.target);
      if (recipe) names.push_back(recipe->name);
      if (node == group.anchor) break;
    }
    return names.empty() ? "loops" : fmt::format("{}", fmt::join(names, "+"));
  };
  nlohmann::ordered_json recipes = nlohmann::json::array();
  for (size_t i = 0; i < state.kernels.size(); ++i) {
    // A function that was read as text comes without a group.
    const ir::Group group = i < state.module.groups.size() ? state.module.groups[i] : ir::Group();
    recipes.push_back(state.kernels[i].foreign.empty() ? recipes_of(group) : "foreign");
  }
  return nlohmann::ordered_json{{"recipes", std::move(recipes)}}.dump();
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
                                            .info = info(state)},
                                           write));
  return {};
}

}  // namespace tenon::driver
