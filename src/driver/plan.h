// The plan of a model as data, and the file that carries it.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/target.h"
#include "driver/artifact.h"
#include "ir/graph.h"
#include "passes/graph/to_loops.h"
#include "runtime/abi.h"

namespace tenon::driver {

/// The arrays of tenon_module (runtime/abi.h), kernels as indices of loop functions, then of
/// foreign ones.
struct Plan {
  std::vector<tenon_slot> slots;
  std::vector<tenon_binding> inputs, outputs;
  std::vector<tenon_buffer> buffers;
  std::vector<tenon_step> steps;
  std::vector<uint32_t> step_buffers, step_params;
  std::string strings;
  std::vector<uint64_t> foreign;    ///< names, in strings, of the kernels behind the functions
  std::vector<ir::DataId> weights;  ///< data of each weight buffer, in the order of their offsets
  std::vector<uint64_t> weight_sizes;  ///< bytes of each
  uint64_t weight_bytes = 0;           ///< of all, each starting at a multiple of 64
};

/// Steps in the order of `kernels`, whose functions are functions[function_of[i]]. A symbol that no
/// input shows by itself is kUnsupported, and so is a division by a size that is read while the
/// model runs and may be 0.
Result<Plan> make_plan(const ir::Module& module, std::span<const passes::Kernel> kernels,
                       std::span<const ir::Function> functions,
                       std::span<const uint32_t> function_of);

struct ArtifactParts {
  const Plan& plan;
  std::span<const std::byte> code;
  std::span<const uint64_t> entries;  ///< offset of each function in the code
  const Target& target;
  std::string_view info;  ///< JSON for `tenon inspect`
};

/// Gives each of plan.weights its bytes, in memory that holds zeros.
using WriteWeights = std::function<Result<void>(std::span<const std::span<std::byte>>)>;

/// Equal parts give equal bytes. Fails as `write_weights` does.
Result<Artifact> write_artifact(const ArtifactParts& parts, const WriteWeights& write_weights);

}  // namespace tenon::driver
