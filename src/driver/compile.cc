#include "driver/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "driver/join.h"
#include "driver/kernel_dump.h"
#include "driver/pipeline.h"
#include "driver/saved_data.h"
#include "driver/state_text.h"
#include "driver/targets.h"
#include "import/aten.h"
#include "import/mapped_file.h"
#include "import/onnx.h"
#include "import/pt2.h"
#include "import/pt2/operators.h"

namespace tenon::driver {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<void> read_text(const std::filesystem::path& path, State& state) {
  if (state.options.from == kLastStep) {
    return fail(ErrorKind::kUsage, fmt::format("nothing comes after '{}'", kLastStep));
  }
  TENON_TRY(const auto file, import::MappedFile::open(path));
  TENON_TRY(const ir::DataResolver resolve, open_data(data_path(path)));
  Result<std::string> step = read_state(text_of(file->bytes()), resolve, state);
  if (!step) {
    for (Diagnostic& diagnostic : step.error().diagnostics) diagnostic.where.file = path.string();
    return std::unexpected(std::move(step).error());
  }
  if (*step != state.options.from) {
    return fail(ErrorKind::kUsage, fmt::format("this is the state after '{}'", *step),
                {.file = path.string()}, fmt::format("give --from {}", *step));
  }
  state.module.keep_alive(std::make_shared<ir::DataResolver>(resolve));
  return {};
}

/// A model on its way, with what happened to it.
struct Work {
  State state;
  std::vector<StepReport> steps;
  Clock::time_point start = Clock::now();
};

Result<Work> begin(const std::filesystem::path& model, Target target,
                   const CompileOptions& options) {
  Work work{.state = {.target = std::move(target), .options = options}, .steps = {}};
  if (options.progress) options.progress(kImport);
  if (options.from.empty()) {
    TENON_TRY(work.state.module, import_file(model, options));
  } else {
    TENON_TRY_DO(read_text(model, work.state));
  }
  work.steps.push_back({std::string(kImport), seconds_since(work.start), true});
  return work;
}

Result<void> go_on(State& state, std::string_view to, std::vector<StepReport>& done) {
  const std::string& from = state.options.from;
  TENON_TRY(std::vector<StepReport> steps, run_pipeline(state, from.empty() ? kImport : from, to));
  std::ranges::move(steps, std::back_inserter(done));
  return {};
}

/// What is of one target only.
Result<void> check_one_target(std::span<const Target> targets, const CompileOptions& options) {
  const bool one = options.from.empty() && options.dump.empty() && !options.dump_kernel;
  if (targets.size() == 1 || one) return {};
  return fail(ErrorKind::kUsage, "text and kernels are written and read for one target at a time",
              {}, fmt::format("give --target {}", targets.front().name));
}

/// `work` is at its first step, with the first of the targets.
Result<CompiledModel> compile_for(std::span<const Target> targets, Work work) {
  CompiledModel compiled;
  std::vector<Artifact> artifacts;
  for (const Target& target : targets) {
    State state = &target == &targets.back() ? std::move(work.state) : work.state;
    state.target = target;
    TENON_TRY_DO(go_on(state, kLastStep, work.steps));
    artifacts.push_back(state.artifact);
    compiled.cached_kernels += state.cached_kernels;
    if (const auto kernel = state.options.dump_kernel) {
      TENON_TRY(compiled.kernel_files, dump_kernel(state, *kernel));
    }
  }
  compiled.artifact = artifacts.size() == 1 ? artifacts.front() : join(artifacts);
  compiled.steps = std::move(work.steps);
  compiled.seconds = seconds_since(work.start);
  return compiled;
}

}  // namespace

Result<ir::Module> import_file(const std::filesystem::path& model, const CompileOptions& options) {
  import::ImportOptions import_options;
  import_options.shapes = options.shapes;
  import_options.symbols = options.symbols;
  TENON_TRY(import_options.operators, ops::parse_custom_operators(options.operators));
  if (model.extension() == ".onnx") return import::import_onnx(model, import_options);
  if (model.extension() == ".pt2") return import::import_pt2(model, import_options);
  return fail(ErrorKind::kUsage,
              fmt::format("'{}' is not a model file that Tenon reads", model.string()), {},
              "give an .onnx or a .pt2 file");
}

Result<CompiledModel> compile(ir::Module module, const CompileOptions& options) {
  TENON_TRY(const std::vector<Target> targets, find_targets(options.target));
  TENON_TRY_DO(check_one_target(targets, options));
  return compile_for(
      targets,
      {.state = {.module = std::move(module), .target = targets.front(), .options = options},
       .steps = {}});
}

Result<CompiledModel> compile_aten(std::string_view graph, const Parameters& parameters,
                                   const CompileOptions& options) {
  auto find = [&](const import::AtenInput& input) -> Result<std::optional<import::TensorBytes>> {
    const auto found = parameters.find(input.target);
    if (input.kind == import::AtenInput::Kind::kUser || found == parameters.end())
      return std::optional<import::TensorBytes>();
    const auto& [type, data] = found->second;
    size_t bytes = ir::size_of(type.dtype);
    for (const ir::Dim dim : type.dims) bytes *= static_cast<size_t>(dim.value());
    return std::optional(import::TensorBytes{type, {data, bytes}, {}});
  };
  import::ImportOptions import_options;
  TENON_TRY(import_options.operators, ops::parse_custom_operators(options.operators));
  TENON_TRY(ir::Module module, import::import_aten(graph, find, import_options));
  return compile(std::move(module), options);
}

Result<std::map<std::string, std::string>> custom_operators(std::string_view text) {
  TENON_TRY(const auto all, ops::parse_custom_operators(text));
  std::map<std::string, std::string> definitions;
  for (const ops::CustomOperator& one : all) definitions.emplace(one.name, one.definition);
  return definitions;
}

bool imports_aten(const std::string& name) { return import::pt2::find_operator(name) != nullptr; }

Result<CompiledModel> compile_file(const std::filesystem::path& model,
                                   const CompileOptions& options) {
  TENON_TRY(const std::vector<Target> targets, find_targets(options.target));
  TENON_TRY_DO(check_one_target(targets, options));
  TENON_TRY(Work work, begin(model, targets.front(), options));
  return compile_for(targets, std::move(work));
}

Result<std::vector<StepReport>> compile_to_text(const std::filesystem::path& model,
                                                std::string_view to, const CompileOptions& options,
                                                const std::filesystem::path& output) {
  TENON_TRY(Target target, find_target(options.target));
  TENON_TRY(Work work, begin(model, std::move(target), options));
  TENON_TRY_DO(go_on(work.state, to, work.steps));
  std::vector<const ir::Module*> modules = {&work.state.module};
  if (work.state.prepare) modules.push_back(&work.state.prepare->module);
  TENON_TRY_DO(save_data(modules, data_path(output)));
  const std::string text = state_text(work.state, to);
  TENON_TRY_DO(save(std::as_bytes(std::span(text)), output));
  return std::move(work.steps);
}

}  // namespace tenon::driver
