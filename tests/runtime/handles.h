// Models and contexts that free themselves.
#pragma once

#include <memory>

#include "runtime/abi.h"

namespace tenon::runtime::testing {

struct Free {
  void operator()(tenon_model* model) const { tenon_free(model); }
  void operator()(tenon_context* context) const { tenon_context_free(context); }
};
using Model = std::unique_ptr<tenon_model, Free>;
using Context = std::unique_ptr<tenon_context, Free>;

inline Model load(const tenon_module& module, uint32_t threads, tenon_error* error = nullptr) {
  tenon_options options = {threads, nullptr};
  return Model(tenon_load_module(&module, &options, error));
}
inline Context context_of(const Model& model) {
  return Context(tenon_context_create(model.get(), nullptr));
}

}  // namespace tenon::runtime::testing
