// What the importer of one operator sees: a node of the file, with its operands as values.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "import/emitter.h"
#include "import/onnx/model.h"
#include "import/onnx/tensor_data.h"

namespace tenon::import::onnx {

/// Attributes by name; where a function's body refers to an attribute of the call, that one.
using AttributeList = std::vector<std::pair<std::string_view, const Attribute*>>;

/// What importers of operators with bodies and embedded tensors ask of the graph's importer.
class GraphContext {
 public:
  virtual ~GraphContext() = default;
  /// Imports a body in the scope of the node at work, with these values of its inputs; gives its
  /// outputs.
  virtual Result<std::vector<ir::ValueId>> import_body(const Graph& body,
                                                       std::span<const ir::ValueId> inputs) = 0;
  /// The tensor as a `constant` or `parameter`.
  virtual Result<ir::ValueId> import_tensor(const Tensor& tensor) = 0;
};

/// A sequence: a list of values whose length is known.
using List = std::vector<ir::ValueId>;

/// An operand or a result: a value, none where it is left out, or a list.
struct Term {
  ir::ValueId value;
  std::shared_ptr<const List> list;
};

class NodeContext {
 public:
  NodeContext(const Node& node, int64_t opset, Emitter& emitter, GraphContext& graph,
              std::vector<Term> inputs, const AttributeList& attributes)
      : node_(node),
        opset_(opset),
        emitter_(emitter),
        graph_(graph),
        inputs_(std::move(inputs)),
        attributes_(attributes),
        outputs_(node.outputs.size()) {}

  std::string_view op_type() const { return node_.op_type; }
  std::string_view domain() const { return node_.domain; }
  /// The version of the node's operator set that the file imports.
  int64_t opset() const { return opset_; }
  Emitter& emitter() { return emitter_; }
  GraphContext& graph() { return graph_; }

  size_t input_count() const { return inputs_.size(); }
  bool has_input(size_t i) const { return i < inputs_.size() && inputs_[i].value; }
  /// The operand; kBadModel when the file leaves it out.
  Result<ir::ValueId> input(size_t i) const;
  /// The operand, or none.
  ir::ValueId optional_input(size_t i) const {
    return has_input(i) ? inputs_[i].value : ir::ValueId();
  }
  /// The operand, which must be a list.
  Result<List> list_input(size_t i) const;
  bool is_list(size_t i) const { return i < inputs_.size() && inputs_[i].list; }
  /// All operands; kBadModel when there are none or one is left out.
  Result<std::vector<Emitter::Operand>> all_inputs() const;

  /// Elements of an operand that the compiler must know; kUnsupported when they depend on data.
  /// `what` names the operand in the message.
  Result<std::vector<ir::Dim>> dims_input(size_t i, std::string_view what) const;
  Result<std::vector<int64_t>> integers_input(size_t i, std::string_view what) const;
  Result<int64_t> integer_input(size_t i, std::string_view what) const;
  Result<std::vector<double>> numbers_input(size_t i, std::string_view what) const;

  // Attributes. One of another type than asked for is remembered as an error of the node, see
  // `attribute_error`, and reads as absent.
  bool has_attribute(std::string_view name) const;
  std::optional<int64_t> integer(std::string_view name);
  int64_t integer(std::string_view name, int64_t otherwise);
  bool flag(std::string_view name, bool otherwise) { return integer(name, otherwise ? 1 : 0) != 0; }
  std::optional<double> number(std::string_view name);
  /// The same where a whole number will do, too.
  std::optional<double> any_number(std::string_view name);
  double number(std::string_view name, double otherwise) {
    return number(name).value_or(otherwise);
  }
  std::string text(std::string_view name, std::string_view otherwise);
  std::optional<std::vector<int64_t>> integers(std::string_view name);
  std::optional<std::vector<double>> numbers(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name);
  const Tensor* tensor(std::string_view name);
  const Graph* body(std::string_view name);
  /// The element type that an attribute names by number.
  Result<ir::DType> dtype(std::string_view name, ir::DType otherwise);

  /// `axis` counted from the front; kBadModel when it is outside [-rank, rank).
  Result<int64_t> axis(int64_t axis, int64_t rank) const;
  Result<std::vector<int64_t>> axes(std::vector<int64_t> axes, int64_t rank) const;
  /// Axes that are an attribute before version `since` and input `i` from it on, as written.
  Result<std::optional<std::vector<int64_t>>> axes_operand(size_t i, int64_t since);

  size_t output_count() const { return outputs_.size(); }
  bool wants_output(size_t i) const {
    return i < node_.outputs.size() && !node_.outputs[i].empty();
  }
  void set_output(size_t i, ir::ValueId value);
  void set_list(size_t i, List list);
  /// Makes `value` the first output.
  Result<void> finish(Emitter::Operand value);

  /// Errors at this node.
  std::unexpected<Error> bad(std::string message) const;
  std::unexpected<Error> unsupported(std::string message) const;

  const std::vector<Term>& outputs() const { return outputs_; }
  const std::optional<Error>& attribute_error() const { return attribute_error_; }

 private:
  const Attribute* find(std::string_view name, AttributeType type);

  const Node& node_;
  int64_t opset_;
  Emitter& emitter_;
  GraphContext& graph_;
  std::vector<Term> inputs_;
  const AttributeList& attributes_;
  std::vector<Term> outputs_;
  std::optional<Error> attribute_error_;
};

}  // namespace tenon::import::onnx
