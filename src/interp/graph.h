// Executes the graph language by the operators' reference evaluation.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"
#include "ops/tensor.h"

namespace tenon::interp {

/// Called with every value that is computed, in order; for layer-wise comparison.
using Observer = std::function<void(ir::ValueId, const ops::Tensor&)>;

/// The graph's outputs for these inputs, in the order of the graph's lists. Symbols get their
/// values from the inputs' shapes and, where the module says so, from what it computes. Wrong
/// inputs are kBadInput; an operator that fails at run time is kRuntime and names its node.
Result<std::vector<ops::Tensor>> run(const ir::Module& module, std::span<const ops::Tensor> inputs,
                                     const Observer& observer = {});

/// Runs a graph without inputs. Output k goes to outputs[k], which has room for exactly its
/// elements; where that is empty, nowhere.
Result<void> run_into(const ir::Module& module, std::span<const std::span<std::byte>> outputs);

/// The values of `module`'s symbols under these input shapes; kBadInput where a shape does not fit
/// its input's type.
Result<std::map<std::string, int64_t>> bind_symbols(const ir::Module& module,
                                                    std::span<const std::vector<int64_t>> shapes);

/// `attrs` with every dim as a number.
ir::Attrs evaluate_dims(const ir::Dims& dims, const ir::Attrs& attrs,
                        const std::map<std::string, int64_t>& symbols);

}  // namespace tenon::interp
