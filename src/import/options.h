// What importers of model files take besides the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/custom_operator.h"

namespace tenon::import {

/// Bounds on what a file may make the importer do. A file beyond one is kBadModel.
struct Limits {
  uint64_t file_bytes = uint64_t{1}
                        << 31;  ///< of the description of a model; protobuf itself ends here
  uint64_t tensor_bytes = uint64_t{1} << 40;  ///< of one tensor
  size_t nodes = 1'000'000;                   ///< imported, function bodies inlined
  size_t attributes = 1'000;                  ///< of one node
  size_t rank = 64;                           ///< of one tensor
  size_t depth = 64;                          ///< of nested graphs, and of function calls
};

struct ImportOptions {
  /// Dims of inputs, by name, where the file leaves them open or is to be overruled.
  std::map<std::string, std::vector<int64_t>> shapes;
  /// Values of named dims.
  std::map<std::string, int64_t> symbols;
  /// Come before the importers' own.
  std::vector<ops::CustomOperator> operators;
  Limits limits;
};

/// kUsage when a shape is given for what is no input, or a size for what is no dim of one.
Result<void> check_names(const ImportOptions& options,
                         const std::function<bool(const std::string&)>& is_input,
                         const std::function<bool(const std::string&)>& is_dim);

}  // namespace tenon::import
