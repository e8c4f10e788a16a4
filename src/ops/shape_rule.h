// The shape rule of a custom operator's definition: dims of operands and results as expressions
// over names, which stand for sizes, and `$attribute`s that are whole numbers.
#pragma once

#include <expected>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ops/custom_operator.h"

namespace tenon::ops {

/// A rule at work on one node: `operand` for each of them in order, then `type` of each result.
class ShapeRule {
 public:
  struct Size {
    std::string name;
    size_t operand, axis;  ///< its first place
    ir::Dim dim;
  };

  /// `numbers` are the attributes.
  ShapeRule(ir::Dims& dims, const CustomOperator& custom, std::span<const double> numbers)
      : dims_(dims), custom_(custom), numbers_(numbers) {}

  /// Takes the next operand's sizes for the names that stand there for the first time, whatever its
  /// other dims are.
  std::expected<void, std::string> name_sizes(const ir::TensorType& type);
  /// The same for an operand that must be as the definition says.
  std::expected<void, std::string> operand(const ir::TensorType& actual);
  /// A type of the definition for the sizes that have names by now.
  std::expected<ir::TensorType, std::string> type(const std::string& written) const;
  /// A type of the definition as it is written: names are symbols.
  std::expected<ir::TensorType, std::string> read(const std::string& written) const;

  /// Sizes in order of their first place.
  const std::vector<Size>& sizes() const { return sizes_; }

 private:
  std::expected<std::string, std::string> with_numbers(std::string text) const;
  std::expected<ir::Dim, std::string> value_of(ir::Dim pattern) const;

  ir::Dims& dims_;
  const CustomOperator& custom_;
  std::span<const double> numbers_;
  std::map<std::string, ir::Dim> bound_;
  std::vector<Size> sizes_;
  size_t operands_ = 0;  // seen so far
};

/// The node's definition, if it has as many operands and attributes as the node.
std::expected<CustomOperator, std::string> definition_of(const ir::Attrs& attrs, size_t operands);

}  // namespace tenon::ops
