// Operators that a user defines in a text, each at a line with its name:
//
//   mine::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))) - 0.1 * x
//
// The name is domain and operator in ONNX, namespace and operator in PyTorch. Operands come first,
// then, after ';', attributes, which are numbers and may have a default. The expression is one of
// the loop language (ir/loop_text.h) over operands and `$attribute`s: a node `formula` with the
// definition as its meaning. A definition may go on in further lines; `//` starts a comment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::ops {

struct CustomOperator {
  struct Attribute {
    std::string name;
    std::optional<double> otherwise;  ///< where a node does not give it
  };
  std::string name;        ///< "mine::swoosh"
  std::string definition;  ///< the text behind the name
  std::vector<std::string> operands;
  std::vector<Attribute> attributes;
  std::string expression;
};

/// Errors are kUsage and name the operator; a name that is defined twice is one.
Result<std::vector<CustomOperator>> parse_custom_operators(std::string_view text);

/// An operator without its name. The error says what is wrong.
Result<CustomOperator> parse_definition(std::string_view definition);

}  // namespace tenon::ops
