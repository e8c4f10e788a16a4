// The table of importers: which function imports which operator of an ONNX file.
#pragma once

#include <string_view>

#include "base/result.h"
#include "import/onnx/node_context.h"
#include "ops/custom_operator.h"

namespace tenon::import::onnx {

using ImportOperator = Result<void> (*)(NodeContext& node);

/// The importer of an operator, or nullptr. Rows of elementwise.def are found by their ONNX name.
ImportOperator find_operator(std::string_view domain, std::string_view op_type);

#define ONNX_OPERATOR(domain, op_type, function) Result<void> function(NodeContext& node);
#include "import/onnx/operators.def"
#undef ONNX_OPERATOR

/// An operator that a row of elementwise.def names.
Result<void> import_elementwise(NodeContext& node);

/// An operator that the user defines.
Result<void> import_custom(NodeContext& node, const ops::CustomOperator& custom);

}  // namespace tenon::import::onnx
