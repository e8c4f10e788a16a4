// Runs modules and .tenon files in memory on tensors.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "driver/artifact.h"
#include "ops/tensor.h"
#include "testing/poison.h"

namespace tenon::testing {

struct RunOptions {
  uint32_t threads = 1;
  bool poisoned = false;         ///< by testing/poison.h
  const char* target = nullptr;  ///< as tenon_options has it
};

class LoadedModel {
 public:
  /// Throws the runtime's sentence when `load(options, error)` gives none.
  template <class Load>
  LoadedModel(uint32_t threads, Load load) {
    tenon_error error = {};
    const tenon_options options = {threads, nullptr};
    model_.reset(load(&options, &error));
    if (!model_) throw std::runtime_error(error.message);
  }
  tenon_model* get() const { return model_.get(); }

 private:
  std::unique_ptr<tenon_model, decltype(&tenon_free)> model_{nullptr, tenon_free};
};

/// The module of a .tenon file in memory.
class LoadedArtifact {
 public:
  explicit LoadedArtifact(driver::Artifact artifact, uint32_t threads = 1,
                          const char* target = nullptr)
      : artifact_(std::move(artifact)),
        model_(threads, [&](const tenon_options* options, tenon_error* error) {
          tenon_options with_target = *options;
          with_target.target = target;
          return tenon_load_memory(artifact_.bytes().data(), artifact_.bytes().size(), &with_target,
                                   error);
        }) {}
  const tenon_module* module() const { return tenon_model_module(model_.get()); }
  tenon_model* model() const { return model_.get(); }

 private:
  driver::Artifact artifact_;
  LoadedModel model_;
};

/// The outputs of one call, in a context of its own; throws the runtime's sentence when it fails.
inline std::vector<ops::Tensor> call(tenon_model* model, std::span<const ops::Tensor> inputs) {
  tenon_error error = {};
  auto require = [&](bool ok) {
    if (!ok) throw std::runtime_error(error.message);
  };
  const std::unique_ptr<tenon_context, decltype(&tenon_context_free)> context(
      tenon_context_create(model, &error), tenon_context_free);
  require(context != nullptr);

  std::vector<tenon_tensor> in, out(tenon_model_module(model)->output_count);
  for (const ops::Tensor& tensor : inputs) {
    tenon_tensor t = {const_cast<std::byte*>(tensor.bytes()),
                      static_cast<uint32_t>(tensor.dtype()),
                      static_cast<uint32_t>(tensor.rank()),
                      {}};
    std::ranges::copy(tensor.shape(), t.dims);
    in.push_back(t);
  }
  require(tenon_infer(context.get(), in.data(), out.data(), &error) == TENON_OK);
  std::vector<ops::Tensor> outputs;
  for (tenon_tensor& t : out) {
    outputs.emplace_back(static_cast<ir::DType>(t.dtype),
                         std::vector<int64_t>(t.dims, t.dims + t.rank));
    t.data = outputs.back().bytes();
  }
  require(tenon_run(context.get(), in.data(), out.data(), &error) == TENON_OK);
  return outputs;
}

/// The outputs; throws the runtime's sentence when the module cannot be loaded or run.
inline std::vector<ops::Tensor> run_module(const tenon_module& module,
                                           std::span<const ops::Tensor> inputs,
                                           const RunOptions& run = {}) {
  std::optional<PoisonedModule> poisoned;
  if (run.poisoned) poisoned.emplace(module);
  const LoadedModel model(run.threads, [&](const tenon_options* options, tenon_error* error) {
    return tenon_load_module(poisoned ? &poisoned->module() : &module, options, error);
  });
  return call(model.get(), inputs);
}

inline std::vector<ops::Tensor> run_artifact(const driver::Artifact& artifact,
                                             std::span<const ops::Tensor> inputs,
                                             const RunOptions& run = {}) {
  return run_module(*LoadedArtifact(artifact, 1, run.target).module(), inputs, run);
}

}  // namespace tenon::testing
