// The dims of a model's inputs: what the file says, what is open, and what the options fix.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "import/onnx.h"
#include "import/onnx/model.h"

namespace tenon::import::onnx {

class InputShapes {
 public:
  /// Symbols are made in `dims`.
  InputShapes(const Graph& graph, const ImportOptions& options, ir::Dims& dims);

  Result<std::vector<ir::Dim>> dims_of(const ValueInfo& input);
  /// kUsage when an option names no input or no dim; call it after `dims_of` for every input.
  Result<void> check_options() const;

 private:
  ir::Dim symbol(std::string_view name);
  ir::Dim named_dim(std::string_view text);

  const Graph& graph_;
  const ImportOptions& options_;
  ir::Dims& dims_;
  std::map<std::string, ir::Dim, std::less<>> symbols_;
};

}  // namespace tenon::import::onnx
