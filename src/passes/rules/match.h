// Where a pattern occurs in a graph, and the building of a replacement there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "passes/rules/pattern.h"

namespace tenon::passes {

/// What the names of a pattern stand for at one place. A rule's condition asks here, and binds the
/// variables that only its replacement names.
class Match {
 public:
  Match(ir::Module& module, ir::NodeId root) : module_(&module), root_(root) {}

  ir::Module& module() const { return *module_; }
  ir::Dims& dims() const { return module_->dims; }
  /// The value that is to be replaced.
  ir::ValueId result() const { return module_->node(root_).outputs[0]; }
  const ir::TensorType& result_type() const { return module_->value(result()).type; }
  ir::ValueId value(const std::string& name) const { return values_.at(name); }
  const ir::TensorType& type(const std::string& name) const;
  /// A variable: a scalar operand's value or a "float" attribute; the others by their kind.
  double number(const std::string& name) const { return std::get<double>(variables_.at(name)); }
  int64_t integer(const std::string& name) const;
  const std::vector<int64_t>& integers(const std::string& name) const;
  const std::vector<ir::Dim>& list(const std::string& name) const;  ///< of dims
  /// Sets a variable; true, to be the last word of a condition.
  bool set(const std::string& name, ir::AttrValue value);

  /// The nodes that the pattern names, the root first.
  const std::vector<ir::NodeId>& nodes() const { return nodes_; }

 private:
  friend class Matcher;
  friend class Builder;

  ir::Module* module_;
  ir::NodeId root_;
  std::map<std::string, ir::ValueId> values_;
  std::map<std::string, ir::AttrValue> variables_;
  std::vector<ir::NodeId> nodes_;
};

/// All ways in which `pattern`, a node, fits at `root`: operands of commutative operators are tried
/// in both orders.
std::vector<Match> find_matches(const Pattern& pattern, ir::Module& module, ir::NodeId root);

/// Appends the nodes of `replacement`; none when an operator refuses its operands.
std::optional<ir::ValueId> build(const Pattern& replacement, const Match& match);

}  // namespace tenon::passes
