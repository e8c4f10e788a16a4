#include "driver/compile.h"

#include <fmt/format.h>

#include <chrono>

#include "driver/pipeline.h"
#include "import/onnx.h"

namespace tenon::driver {

Result<ir::Module> import_file(const std::filesystem::path& model, const CompileOptions& options) {
  if (model.extension() == ".onnx") {
    import::ImportOptions import_options;
    import_options.shapes = options.shapes;
    import_options.symbols = options.symbols;
    return import::import_onnx(model, import_options);
  }
  return fail(ErrorKind::kUsage,
              fmt::format("'{}' is not a model file that Tenon reads", model.string()), {},
              "give an .onnx file");
}

Result<CompiledModel> compile(ir::Module module, const CompileOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  TENON_TRY(Target target, find_target(options.target));
  State state{.module = std::move(module), .target = std::move(target), .options = options};
  TENON_TRY(std::vector<StepReport> steps, run_pipeline(state));
  CompiledModel compiled;
  compiled.artifact = std::move(state.artifact);
  compiled.steps = std::move(steps);
  compiled.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return compiled;
}

Result<CompiledModel> compile_file(const std::filesystem::path& model,
                                   const CompileOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.progress) options.progress("import");
  TENON_TRY(ir::Module module, import_file(model, options));
  const double import_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  TENON_TRY(CompiledModel compiled, compile(std::move(module), options));
  compiled.steps.insert(compiled.steps.begin(), StepReport{"import", import_seconds, true});
  compiled.seconds += import_seconds;
  return compiled;
}

}  // namespace tenon::driver
