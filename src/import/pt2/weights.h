// The tensors that a `.pt2` archive keeps beside its graph.
#pragma once

#include <map>
#include <string>

#include "import/aten.h"
#include "import/pt2/archive.h"
#include "import/pt2/schema.h"

namespace tenon::import::pt2 {

class Weights {
 public:
  /// Of the model with this name in the archive, which outlives the weights.
  static Result<Weights> open(Archive& archive, const std::string& model, const Limits& limits);

  /// The elements of a parameter, buffer or constant. kBadModel when they are not there or do not
  /// lie within their storage; kUnsupported for pickled ones.
  Result<TensorBytes> read(const AtenInput& input);

 private:
  Weights(Archive& archive, const Limits& limits) : archive_(archive), limits_(limits) {}

  Result<TensorBytes> view(const std::string& name, const StoredTensor& tensor,
                           std::span<const std::byte> storage);

  Archive& archive_;
  const Limits& limits_;
  std::map<std::string, StoredTensor> weights_, constants_;
};

}  // namespace tenon::import::pt2
