#include "driver/pipeline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <ranges>
#include <span>
#include <unordered_map>

#include "base/contains.h"
#include "codegen/codegen.h"
#include "driver/emit.h"
#include "driver/state_text.h"
#include "ir/loop_structure.h"
#include "passes/graph/common_subexpressions.h"
#include "passes/graph/fold_constants.h"
#include "passes/graph/fold_normalisation.h"
#include "passes/graph/group.h"
#include "passes/graph/merge_matmuls.h"
#include "passes/graph/pack_weights.h"
#include "passes/graph/place.h"
#include "passes/graph/recognise.h"
#include "passes/graph/simplify.h"
#include "passes/graph/sink_views.h"
#include "passes/graph/split_recurrent.h"
#include "passes/graph/split_reductions.h"
#include "passes/graph/update_in_place.h"
#include "passes/graph/use_winograd.h"
#include "passes/loop/expand_math.h"
#include "passes/loop/let_common.h"
#include "passes/loop/vectorise.h"

namespace tenon::driver {
namespace {

void distinct_functions(State& s) {
  std::unordered_map<std::string, uint32_t> known;
  for (passes::Kernel& kernel : s.kernels) {
    auto [found, fresh] = known.try_emplace(ir::structure(kernel.function), s.functions.size());
    if (fresh) s.functions.push_back(std::move(kernel.function));
    s.function_of.push_back(found->second);
  }
}

template <class Pass>
void each_function(State& s, Pass pass) {
  for (ir::Function& function : s.functions) pass(function);
}

Result<void> ok() { return {}; }

/// A step of the way. `required`: the ones after it cannot do without. One that stands at several
/// places is done after the last.
struct Step {
  std::string_view name;
  bool required;
  Result<void> (*run)(State&);
};

// clang-format off
constexpr Step kSteps[] = {
    // The graph in canonical form, with composites whole.
    {"fold-constants", false, [](State& s) { passes::fold_constants(s.module, {}); return ok(); }},
    {"simplify", false, [](State& s) { passes::simplify(s.module); return ok(); }},
    // Twice: past a chain that is one node views can sink, and views that sank join more chains.
    {"recognise", false, [](State& s) { passes::recognise(s.module); passes::simplify(s.module); return ok(); }},
    {"sink-views", false, [](State& s) { passes::sink_views(s.module); passes::simplify(s.module); return ok(); }},
    {"recognise", false, [](State& s) { passes::recognise(s.module); passes::simplify(s.module); return ok(); }},
    {"fold-normalisation", false, [](State& s) { passes::fold_normalisation(s.module); return ok(); }},
    {"common-subexpressions", false, [](State& s) { passes::common_subexpressions(s.module); return ok(); }},
    {"split-recurrent", false, [](State& s) { passes::split_recurrent(s.module); return ok(); }},
    {"merge-matmuls", false, [](State& s) { passes::merge_matmuls(s.module, s.target); return ok(); }},
    // Weights: in the order in which kernels read them, all work on them in a graph of its own.
    {"winograd", false, [](State& s) { passes::use_winograd(s.module, s.target); return ok(); }},
    {"pack-weights", false, [](State& s) { passes::pack_weights(s.module, s.target); return ok(); }},
    {"split-reductions", false, [](State& s) { passes::split_reductions(s.module, s.target); return ok(); }},
    {"split-prepare", true, [](State& s) { s.prepare = passes::split_prepare(s.module); return ok(); }},
    // Kernels and memory.
    {"group", true, [](State& s) { passes::group(s.module, s.target, {}); return ok(); }},
    {"place", true, [](State& s) { passes::place(s.module, s.target); return ok(); }},
    {"update-in-place", false, [](State& s) { passes::update_in_place(s.module); return ok(); }},
    // Loops.
    {"to-loops", true, [](State& s) { s.kernels = passes::to_loops(s.module, s.target); return ok(); }},
    {"distinct-functions", true, [](State& s) { distinct_functions(s); return ok(); }},
    {"vectorise", false, [](State& s) {
       each_function(s, [&](ir::Function& f) { passes::vectorise(f, {.vector_bytes = s.target.vector_bytes}); });
       return ok();
     }},
    {"expand-math", true, [](State& s) {
       each_function(s, [](ir::Function& f) { passes::expand_math(f, {}); });
       return ok();
     }},
    {"let-common", false, [](State& s) {
       each_function(s, [](ir::Function& f) { passes::let_common(f, {}); });
       return ok();
     }},
    // The file.
    {kLastStep, true, [](State& s) { return emit(s); }},
};
// clang-format on

/// How many places there are up to the last one of the step of this name; 0 where there is none.
size_t places_to(std::string_view name) {
  const auto last = std::ranges::find(std::views::reverse(kSteps), name, &Step::name);
  return static_cast<size_t>(last.base() - std::begin(kSteps));
}

bool is_last_place(const Step& step) { return &step == kSteps + places_to(step.name) - 1; }

/// How many places of steps are done when the step of this name is.
Result<size_t> position(std::string_view name) {
  if (name == kImport) return 0;
  if (const size_t places = places_to(name); places > 0) return places;
  return fail(ErrorKind::kUsage, fmt::format("there is no step '{}'", name), {},
              fmt::format("steps: {}, {}", kImport, fmt::join(step_names(), ", ")));
}

}  // namespace

Result<std::vector<StepReport>> run_pipeline(State& state, std::string_view from,
                                             std::string_view to) {
  using Clock = std::chrono::steady_clock;
  TENON_TRY(const size_t first, position(from));
  TENON_TRY(const size_t last, position(to));
  if (last < first) {
    return fail(ErrorKind::kUsage, fmt::format("the step '{}' comes before '{}'", to, from));
  }
  if (std::vector<Diagnostic> wrong = check_left_out(state.options.without); !wrong.empty()) {
    return std::unexpected(Error{ErrorKind::kUsage, std::move(wrong)});
  }
  const bool dumps = !state.options.dump.empty();
  std::vector<StepReport> reports;
  std::string before = dumps ? state_text(state, {}) : std::string();
  for (const Step& step : std::span(kSteps).subspan(first, last - first)) {
    if (state.options.without.contains(std::string(step.name))) continue;
    if (state.options.progress && is_last_place(step)) state.options.progress(step.name);
    StepReport report{std::string(step.name)};
    const auto start = Clock::now();
    try {
      TENON_TRY_DO(step.run(state));
    } catch (const InternalError& error) {
      return fail(ErrorKind::kInternal, fmt::format("step '{}': {}", step.name, error.what()), {},
                  "this is a bug in Tenon");
    }
    report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (std::string message = verify(state); !message.empty()) {
      return fail(ErrorKind::kInternal,
                  fmt::format("step '{}' left something ill-formed: {}", step.name, message), {},
                  "this is a bug in Tenon");
    }
    if (dumps) {
      std::string after = state_text(state, {});
      report.changed = after != before;
      if (report.changed) {
        std::ofstream(state.options.dump / fmt::format("{:02}-{}.txt", reports.size(), step.name))
            << state_text(state, step.name);
        before = std::move(after);
      }
    }
    reports.push_back(std::move(report));
    std::ranges::move(state.parts, std::back_inserter(reports));
    state.parts.clear();
  }
  return reports;
}

std::vector<std::string> step_names() {
  std::vector<std::string> names;
  for (const Step& step : kSteps) {
    if (is_last_place(step)) names.emplace_back(step.name);
  }
  return names;
}

std::vector<std::string> optional_step_names() {
  std::vector<std::string> names;
  for (const Step& step : kSteps) {
    if (!step.required && is_last_place(step)) names.emplace_back(step.name);
  }
  return names;
}

std::vector<Diagnostic> check_left_out(const std::set<std::string>& names) {
  const std::vector<std::string> optional = optional_step_names();
  std::vector<Diagnostic> wrong;
  for (const std::string& name : names) {
    if (contains(optional, name)) continue;
    const bool known = contains(step_names(), name);
    wrong.push_back({known ? fmt::format("the step '{}' cannot be left out", name)
                           : fmt::format("there is no step '{}'", name),
                     {},
                     fmt::format("steps that can be left out: {}", fmt::join(optional, ", "))});
  }
  return wrong;
}

}  // namespace tenon::driver
