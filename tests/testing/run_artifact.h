// Runs .tenon files in memory on tensors.
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
  bool poisoned = false;  ///< by testing/poison.h
};

/// The outputs; throws the runtime's sentence when the model cannot be loaded or run.
inline std::vector<ops::Tensor> run_artifact(const driver::Artifact& artifact,
                                             std::span<const ops::Tensor> inputs,
                                             const RunOptions& run = {}) {
  using Model = std::unique_ptr<tenon_model, decltype(&tenon_free)>;
  using Context = std::unique_ptr<tenon_context, decltype(&tenon_context_free)>;
  tenon_error error = {};
  auto require = [&](bool ok) {
    if (!ok) throw std::runtime_error(error.message);
  };
  const tenon_options options = {run.threads, nullptr};
  const Model loaded(
      tenon_load_memory(artifact.bytes().data(), artifact.bytes().size(), &options, &error),
      tenon_free);
  require(loaded != nullptr);
  std::optional<PoisonedModule> poisoned;
  Model wrapped(nullptr, tenon_free);
  if (run.poisoned) {
    poisoned.emplace(*tenon_model_module(loaded.get()));
    wrapped.reset(tenon_load_module(&poisoned->module(), &options, &error));
    require(wrapped != nullptr);
  }
  tenon_model* model = wrapped ? wrapped.get() : loaded.get();
  const Context context(tenon_context_create(model, &error), tenon_context_free);
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

}  // namespace tenon::testing
