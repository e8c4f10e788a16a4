// The meaning of an elementwise operator: the scalar expression of its row in elementwise.def.
//
//   expression: numbers, inf, operands by name, $attributes, and calls of the loop language's
//   functions by name; the operators are those of C with C's precedence (a relational one gives
//   bool, % truncates, ! is also the bitwise not of an integer). A number takes the type of what it
//   meets.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/loop_builder.h"

namespace tenon::ops {

class Meaning {
 public:
  /// The meaning of an elementwise row, parsed once.
  static const Meaning& of(ir::Op op);

  /// The result's dtype, or why operands of these dtypes do not work.
  std::expected<ir::DType, std::string> result_dtype(std::span<const ir::DType> operands,
                                                     const ir::Attrs& attrs) const;

  /// The expression over operands given in their compute types; the result is in its compute type.
  ir::E build(ir::LoopBuilder& builder, std::span<const ir::E> operands,
              const ir::Attrs& attrs) const;

 private:
  friend class MeaningParser;
  explicit Meaning(ir::Op op);

  enum class TermKind : uint8_t { kNumber, kAttribute, kOperand, kCall };
  struct Term {
    TermKind kind;
    double number = 0;              // kNumber
    size_t index = 0;               // kOperand; kAttribute: of the row's attributes
    ir::ExprKind call = {};         // kCall
    std::vector<size_t> arguments;  // kCall: terms, earlier than this one
  };

  const ir::OpInfo* info_;
  std::vector<Term> terms_;  // arguments before calls; the last one is the whole
};

}  // namespace tenon::ops
