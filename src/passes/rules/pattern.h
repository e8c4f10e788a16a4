// Terms over the graph language, as rules write them:
//
//   pattern: x            any value; a name that occurs again means the same value
//            x?           the same, or an absent operand
//            _            an absent operand
//            0.5          a constant of one element with this value
//            $c           a constant of one element; its value is the variable's
//            mul(a, b) {axis = $k, keep = true}    a node with one result; attributes that are not
//                         named may have any value; operands left out at the end are absent
//            d:sub(a, b)  a node whose result has the name d from here on
//            (p | q)      either
//
// A text with only the forms that say what to build (no "x?" that is new, no "(p | q)") is a
// replacement: there a number or variable makes a constant with the dtype of the operands beside
// it, and a node has all its attributes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace tenon::passes {

struct Pattern {
  enum class Kind : uint8_t { kValue, kAbsent, kNumber, kVariable, kNode, kEither };

  /// An attribute's value: a variable's, or `literal` where the variable has no name.
  struct Attribute {
    std::string name;
    std::string variable;
    ir::AttrValue literal;
  };

  Kind kind = Kind::kAbsent;
  std::string name;       ///< kValue, kVariable; of a kNode where it has one
  bool optional = false;  ///< kValue: may be absent
  double number = 0;      ///< kNumber
  ir::Op op = {};         ///< kNode
  std::vector<Attribute> attributes;
  std::vector<Pattern> parts;  ///< operands of a kNode, alternatives of a kEither
};

/// A malformed text is an internal error: the tables are ours.
Pattern parse_pattern(std::string_view text);

}  // namespace tenon::passes
