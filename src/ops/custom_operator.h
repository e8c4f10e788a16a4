// Operators that a user defines in a text, each at a line with its name:
//
//   mine::swoosh(x; sharpness = 1) = x / (1 + exp(-($sharpness * x))) - 0.1 * x
//   mine::pool(x: f32[n, c]; size = 2) -> f32[n, floor_div(c, $size)] = pool in "libmine.so"
//   mine::dot(a: f32[n, k], b: f32[k, m]) -> f32[n, m][i, j] = sum(l < k) a[i, l] * b[l, j]
//   mine::sincos(x) = sin(x), cos(x)
//   mine::split(x: f32[n, c]) -> (f32[n], i64[n, 2]) = split in "libmine.so"
//   mine::ends(x: f32[n, c]) -> f32[n][i] = x[i, 0], f32[c][j] = x[n - 1, j]
//
// The name is domain and operator in ONNX, namespace and operator in PyTorch. Operands come first,
// then, after ';', attributes, which are numbers and may have a default. A definition may go on in
// further lines; `//` starts a comment. It means
//
// - formulas: for each result an expression of the loop language (ir/loop_text.h) over operands and
//   `$attribute`s, which gives each element; or
// - a C function of a library (ops/c_function.h); or
// - tensor expressions (ops/tensor_expression.h), where a result's type has names of indices behind
//   it: each gives the element at these.
//
// Operands and results of the latter two have their types: dims are names, which stand for a size
// from their first place on, or expressions over these and `$attribute`s that are whole numbers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"

namespace tenon::ops {

struct CustomOperator {
  struct Operand {
    std::string name;
    std::string type;  ///< "f32[n, c]"; empty in a formula
  };
  struct Attribute {
    std::string name;
    std::optional<double> otherwise;  ///< where a node does not give it
  };
  struct Output {
    std::string type;                  ///< "f32[n, c]"; empty of a formula
    std::vector<std::string> indices;  ///< of a tensor expression
    std::string expression;            ///< of a formula or a tensor expression
    size_t begin = 0, at = 0;          ///< where it and its expression begin in the definition
  };
  std::string name;              ///< "mine::swoosh"
  std::string definition;        ///< the text behind the name
  ir::Op op = ir::Op::kFormula;  ///< kFormula, kCFunction or kTensorExpression
  std::vector<Operand> operands;
  std::vector<Attribute> attributes;
  std::vector<Output> outputs;
  std::string symbol, library;  ///< of a C function

  /// The definition, not of a C function, with this output alone.
  std::string with_only(const Output& output) const;
};

/// Errors are kUsage and name the operator; a name that is defined twice is one.
Result<std::vector<CustomOperator>> parse_custom_operators(std::string_view text);

/// An operator without its name. The error says what is wrong.
Result<CustomOperator> parse_definition(std::string_view definition);

}  // namespace tenon::ops
