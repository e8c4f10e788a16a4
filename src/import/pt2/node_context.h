// What the importer of one ATen operator sees: a node with its arguments as values.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "import/emitter.h"
#include "import/pt2/memory.h"
#include "import/pt2/signature.h"

namespace tenon::import::pt2 {

/// A result: a tensor of its own, another look at an argument's memory, or that memory itself.
struct Outcome {
  ir::ValueId value;
  TensorId base = {};  ///< of a view
  View view = {};
};

class NodeContext {
 public:
  /// `operator_name` is as in the table ("add.Tensor"); `result` is the type that the file gives
  /// the first result, if it gives one; `output_count` that of tensors, those in lists too.
  NodeContext(std::string_view operator_name, Emitter& emitter, std::vector<NamedValue> arguments,
              std::optional<ir::TensorType> result, size_t output_count)
      : operator_name_(operator_name),
        emitter_(emitter),
        arguments_(std::move(arguments)),
        result_(std::move(result)),
        output_count_(output_count) {}

  std::string_view operator_name() const { return operator_name_; }
  Emitter& emitter() { return emitter_; }
  const std::optional<ir::TensorType>& result_type() const { return result_; }
  size_t output_count() const { return output_count_; }

  // Arguments. One of another kind than asked for is remembered as an error of the node, see
  // `argument_error`, and reads as nothing.
  size_t argument_count() const { return arguments_.size(); }
  const Value& argument(size_t i) const { return arguments_[i].value; }
  std::string_view argument_name(size_t i) const { return arguments_[i].name; }
  const Value& argument(std::string_view name) const;
  /// Whether the operator has an argument with this name.
  bool takes(std::string_view name) const;
  bool has(std::string_view name) const { return !argument(name).is_none(); }

  /// The tensor; kBadModel when there is none.
  Result<ir::ValueId> tensor(std::string_view name) const;
  /// The tensor, or none.
  ir::ValueId optional_tensor(std::string_view name);
  Result<std::vector<ir::ValueId>> tensors(std::string_view name) const;
  /// The same with none ids for elements that are left out.
  Result<std::vector<ir::ValueId>> optional_tensors(std::string_view name) const;
  int64_t integer(std::string_view name);
  ir::Dim dim(std::string_view name);
  double number(std::string_view name);
  bool flag(std::string_view name);
  std::string text(std::string_view name);
  std::vector<int64_t> integers(std::string_view name);
  std::vector<ir::Dim> dims(std::string_view name);
  /// Where `count` numbers belong: one is repeated.
  std::vector<int64_t> integers(std::string_view name, size_t count);
  /// The element type that is asked for, or `otherwise` where none is.
  Result<ir::DType> dtype(std::string_view name, ir::DType otherwise) const;

  /// `axis` counted from the front; kBadModel when it is outside [-rank, rank). A scalar counts as
  /// having one axis.
  Result<int64_t> axis(int64_t axis, int64_t rank) const;
  Result<std::vector<int64_t>> axes(std::vector<int64_t> axes, int64_t rank) const;

  /// Makes `value` the next result.
  Result<void> finish(Emitter::Operand value);
  Result<void> finish_all(const std::vector<ir::ValueId>& values);
  /// Makes the next result a view of the tensor `name`.
  Result<void> finish_view(std::string_view name, View view);

  /// Errors at this node.
  std::unexpected<Error> bad(std::string message) const;
  std::unexpected<Error> unsupported(std::string message) const;

  const std::vector<Outcome>& results() const { return results_; }
  const std::optional<Error>& argument_error() const { return argument_error_; }

 private:
  void wrong_kind(std::string_view name);

  std::string_view operator_name_;
  Emitter& emitter_;
  std::vector<NamedValue> arguments_;
  std::optional<ir::TensorType> result_;
  size_t output_count_;
  std::vector<Outcome> results_;
  std::optional<Error> argument_error_;
};

}  // namespace tenon::import::pt2
