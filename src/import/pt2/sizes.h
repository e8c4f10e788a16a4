// The sizes in a file of torch.export as dims: symbols, what the options fix, and whether a size
// that was inferred agrees with the file's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "import/options.h"
#include "import/pt2/schema.h"
#include "ir/dim.h"

namespace tenon::import::pt2 {

class Sizes {
 public:
  /// Symbols are made in `dims`.
  Sizes(const Program& program, const ImportOptions& options, ir::Dims& dims)
      : program_(program), options_(options), dims_(dims) {}

  /// Fixes what the options say of the tensors among `inputs`; before all else. kUsage for options
  /// that name no input or no symbol, or contradict each other.
  Result<void> bind_inputs(const std::vector<std::string>& inputs);

  /// kUnsupported for a size that depends on data, not on the sizes of inputs.
  Result<ir::Dim> dim(const Size& size);
  Result<std::vector<ir::Dim>> dims(const TensorMeta& meta);
  /// The dims of an input, by the options or the file.
  Result<std::vector<ir::Dim>> input_dims(const std::string& name);

  /// Whether both cannot be one size. Never, once a given shape contradicts the file.
  bool contradicts(ir::Dim inferred, ir::Dim in_file) const;

 private:
  Result<void> fix(const std::string& symbol, int64_t value);
  Result<void> fix_shape(const std::string& input, const std::vector<int64_t>& shape);
  Result<void> check_options(const std::vector<std::string>& inputs) const;

  const Program& program_;
  const ImportOptions& options_;
  ir::Dims& dims_;
  std::map<std::string, int64_t> fixed_;  ///< values of symbols
  std::map<std::string, int64_t> hints_;  ///< values of the inputs' symbols for the example inputs
  bool is_overruled_ = false;
};

}  // namespace tenon::import::pt2
