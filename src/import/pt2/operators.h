// The table of importers: which function imports which ATen operator.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "import/pt2/node_context.h"
#include "ops/custom_operator.h"

namespace tenon::import::pt2 {

using ImportOperator = std::function<Result<void>(NodeContext& node)>;

struct Operator {
  /// Arguments with their defaults, as `bind_arguments` takes them; empty: all tensors or numbers,
  /// in order.
  std::string signature;
  ImportOperator import;
};

/// The operator with a name like "add.Tensor" or "relu" (the overload "default"), or nullptr. Rows
/// of elementwise.def are found by their ATen name, with ".Scalar" for ".Tensor" too.
const Operator* find_operator(std::string_view name);

#define ATEN_OPERATOR(name, signature, function) Result<void> function(NodeContext& node);
#include "import/pt2/operators.def"
#undef ATEN_OPERATOR

/// An operator that a row of elementwise.def names.
Result<void> import_elementwise(NodeContext& node);

/// An operator that the user defines, which lives as long as what is returned.
Operator custom_operator(const ops::CustomOperator& custom);

}  // namespace tenon::import::pt2
