// The line of the user's program that a node comes from, when the exporter wrote it down.
#pragma once

#include <string>

#include "import/onnx/model.h"

namespace tenon::import::onnx {

/// "model.py:12 in forward: x = self.fc(x)" from the stack trace that PyTorch's exporter keeps in a
/// node's metadata: the innermost frame outside PyTorch itself. Empty when there is none.
std::string source_line(const Properties& metadata);

}  // namespace tenon::import::onnx
