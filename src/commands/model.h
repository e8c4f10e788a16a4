// A model that can be run, from a .tenon file or from one that is compiled first.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "driver/compile.h"
#include "ops/tensor.h"
#include "runtime/abi.h"

namespace tenon::commands {

/// An error of the runtime as the command line's.
std::unexpected<Error> fail(const tenon_error& error, const std::filesystem::path& file);

/// Loaded, with one context. The plan stays as long as the model.
class Model {
 public:
  /// `threads` 0: as many as the process may use. `options` are for a file that is compiled; of a
  /// .tenon file for several targets options.target, if not "native", says whose code to take.
  static Result<Model> open(const std::filesystem::path& path, uint32_t threads,
                            const driver::CompileOptions& options);
  /// The same for what was just compiled, from the file `path` if from any.
  static Result<Model> load(driver::Artifact artifact, uint32_t threads,
                            const std::filesystem::path& path = {});

  const tenon_module& plan() const { return *tenon_model_module(model_.get()); }
  const char* string(uint32_t offset) const { return plan().strings + offset; }
  uint32_t threads() const { return tenon_model_threads(model_.get()); }
  tenon_context* context() const { return context_.get(); }
  /// 0 for a .tenon file.
  double compile_seconds() const { return compile_seconds_; }
  double load_seconds() const { return load_seconds_; }
  /// What the code was compiled for.
  std::string target() const { return tenon_model_target(model_.get()); }

  /// Uninitialised tensors of the outputs' shapes under these inputs, as large as data can make
  /// them; wrong inputs are kBadInput.
  Result<std::vector<ops::Tensor>> make_outputs(std::span<const ops::Tensor> inputs) const;
  /// Runs once, into tensors that make_outputs gave for inputs of the same shapes, and gives these
  /// the shapes that data makes.
  Result<void> run(std::span<const ops::Tensor> inputs, std::span<ops::Tensor> outputs) const;

 private:
  static Result<Model> with_context(tenon_model* loaded, const tenon_error& load_error,
                                    const std::filesystem::path& path);

  std::filesystem::path path_;
  driver::Artifact artifact_;  // what the model was loaded from, unless from a file
  std::shared_ptr<tenon_model> model_;
  std::shared_ptr<tenon_context> context_;
  double compile_seconds_ = 0, load_seconds_ = 0;
};

/// Whether the file is compiled code, by its first bytes; kIo when it cannot be read.
Result<bool> is_artifact(const std::filesystem::path& path);

/// The outputs under their names.
std::vector<std::pair<std::string, ops::Tensor>> named_outputs(const Model& model,
                                                               std::vector<ops::Tensor> outputs);

}  // namespace tenon::commands
