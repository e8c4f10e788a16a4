// The public C++ API: a model in, a .tenon file in memory out. Nothing here throws; a bug of ours
// comes back as kInternal and names the step it happened in.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "driver/artifact.h"
#include "ir/graph.h"

namespace tenon::driver {

struct CompileOptions {
  std::string target = "native";  ///< or several with commas between them: code for each
  int threads = 1;                ///< to compile with
  std::set<std::string> without;  ///< steps to leave out: optional_step_names()
  std::string from;  ///< the model is the text of the state after this step; empty: a model file
  bool checked = false;         ///< every load and store of generated code checks its bounds
  std::filesystem::path cache;  ///< folder of kernels (driver/code_cache.h); empty: none
  std::filesystem::path dump;  ///< folder for the text after each step that changed it; empty: none
  std::optional<uint32_t> dump_kernel;  ///< a kernel to give in CompiledModel::kernel_files
  std::function<void(std::string_view)>
      progress;  ///< called with the name of each step; may be empty
  std::map<std::string, std::vector<int64_t>> shapes;  ///< of inputs by name
  std::map<std::string, int64_t> symbols;              ///< sizes of named dims
  std::string operators;  ///< definitions of custom operators (ops/custom_operator.h)
};

struct StepReport {
  std::string name;
  double seconds = 0;
  bool changed = false;
};

struct CompiledModel {
  Artifact artifact;
  std::vector<StepReport> steps;
  double seconds = 0;
  size_t cached_kernels = 0;  ///< that came from the cache
  /// Names and texts of files that show one kernel (driver/kernel_dump.h).
  std::vector<std::pair<std::string, std::string>> kernel_files;
};

Result<CompiledModel> compile_file(const std::filesystem::path& model,
                                   const CompileOptions& options);
Result<CompiledModel> compile(ir::Module module, const CompileOptions& options);

/// Dense elements in the caller's memory, which is read while compiling.
struct Elements {
  ir::TensorType type;
  const std::byte* data;
};
/// Inputs of a graph that become weights, by name.
using Parameters = std::map<std::string, Elements>;

/// A graph of ATen operators as torch.export serialises it (import/aten.h). Errors name nodes of
/// the graph.
Result<CompiledModel> compile_aten(std::string_view graph, const Parameters& parameters,
                                   const CompileOptions& options);
/// Definitions by name of the operators in a text for CompileOptions::operators; its error when
/// wrong.
Result<std::map<std::string, std::string>> custom_operators(std::string_view text);
/// Whether the importer has an ATen operator with a name like "relu" or "add.Tensor".
bool imports_aten(const std::string& name);

/// Stops after the step `to` ("import": before the first) and writes the state as text
/// (driver/state_text.h), its large data to the side file (driver/saved_data.h).
Result<std::vector<StepReport>> compile_to_text(const std::filesystem::path& model,
                                                std::string_view to, const CompileOptions& options,
                                                const std::filesystem::path& output);

/// Reads a model file into a graph, by its kind (.onnx, .pt2).
Result<ir::Module> import_file(const std::filesystem::path& model, const CompileOptions& options);

/// Names of the pipeline's steps, in order.
std::vector<std::string> step_names();

/// Of those, the ones that CompileOptions::without can leave out.
std::vector<std::string> optional_step_names();

/// What is wrong with the names of steps to leave out; the same as a kUsage error of compiling.
std::vector<Diagnostic> check_left_out(const std::set<std::string>& names);

}  // namespace tenon::driver
