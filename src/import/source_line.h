// The line of the user's program that a node comes from, when the exporter wrote it down.
#pragma once

#include <string>
#include <string_view>

namespace tenon::import {

/// "model.py:12 in forward: x = self.fc(x)" from the stack trace that PyTorch's exporters keep with
/// a node: the innermost frame outside PyTorch itself. Empty when there is none.
std::string source_line(std::string_view trace);

}  // namespace tenon::import
