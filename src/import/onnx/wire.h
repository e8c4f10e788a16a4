// The protobuf wire format of ONNX files, read with protozero: no generated code, no copies of raw
// data. Unknown fields are skipped, repeated numbers are accepted packed or not.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "import/onnx.h"
#include "import/onnx/model.h"

namespace tenon::import::onnx {

/// Reads a ModelProto; views in the result point into `bytes`. The error is kBadModel and names the
/// message that is damaged or beyond a limit, as "graph > node 3 > attribute 0".
Result<Model> read_model(std::span<const std::byte> bytes, const Limits& limits);

/// Reads a TensorProto alone, as in the `.pb` files of the ONNX test suite.
Result<Tensor> read_tensor(std::span<const std::byte> bytes, const Limits& limits);

}  // namespace tenon::import::onnx
