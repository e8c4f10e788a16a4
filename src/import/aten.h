// ATen graphs, as torch.export serialises them, to modules. The JSON may come from a `.pt2` file or
// from a program that has just traced a model.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "import/options.h"
#include "import/tensor_bytes.h"
#include "ir/graph.h"

namespace tenon::import {

/// What an input of an ATen graph stands for.
struct AtenInput {
  enum class Kind : uint8_t { kUser, kParameter, kBuffer, kConstant, kNumber, kOther };
  Kind kind = Kind::kUser;
  std::string name;        ///< of the value in the graph
  std::string target;      ///< of a parameter, buffer or constant: its name in the PyTorch module
  bool persistent = true;  ///< of a buffer: it is part of the module's state_dict
};

/// Gives the elements of an input that are known while compiling, which become a weight; nothing
/// leaves it an input of the module. The bytes outlive the module.
using Payloads = std::function<Result<std::optional<TensorBytes>>(const AtenInput& input)>;

/// Reads an ExportedProgram, or a GraphModule alone, whose inputs and outputs then all are the
/// user's. Operators may be composite, decomposed to core ATen, or in place: writes through views
/// are resolved here. Every value is held against the dtype and shape that the JSON gives for it.
/// Inputs of the module are the graph's tensors without payload, in its order; an input that is a
/// symbolic size is none, it is taken from the shapes of tensors. Outputs that are numbers are
/// scalars.
///
/// Errors: kBadModel names the place in the JSON or the node; kUnsupported lists everything that is
/// missing, one diagnostic per operator and reason, and tells of writes to inputs, parameters and
/// buffers, which would be lost; kBadShape and kUsage (an option that names no input).
Result<ir::Module> import_aten(std::string_view json, const Payloads& payloads,
                               const ImportOptions& options);

}  // namespace tenon::import
