// Puts nodes into a module on behalf of an importer: every node passes its shape rule, small
// constants are computed at once, and integers that describe shapes stay known as dims, so that
// shape arithmetic in the file never becomes work at run time.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"

namespace tenon::import {

/// Emits into the module's graph. A result that depends on constants alone and is small is a
/// `constant`; one that depends on sizes is a `dims_tensor`; the nodes on the way are left dead for
/// `clean_up`. Symbols of dims are taken to be at least 1, but sizes that
/// data decides at least 0.
class Emitter {
 public:
  /// Of an emitted node: a value, none for an absent optional operand, or the error of the emission
  /// that should have made it, which passes through.
  using Operand = Result<ir::ValueId>;

  /// Values with more elements are neither computed nor known.
  static constexpr int64_t kFoldElements = 65'536;
  static constexpr int64_t kKnownElements = 1'024;

  explicit Emitter(ir::Module& module) : module_(module) {}

  ir::Module& module() { return module_; }
  ir::Dims& dims() { return module_.dims; }
  /// What the next nodes come from.
  void set_origin(ir::OriginId origin) { origin_ = origin; }
  ir::OriginId origin() const { return origin_; }
  /// For messages about the work on the current origin.
  Where where() const;

  Result<ir::ValueId> emit(ir::Op op, std::vector<Operand> operands, ir::Attrs attrs = {});
  /// For an operator with several results.
  Result<std::vector<ir::ValueId>> emit_all(ir::Op op, std::vector<Operand> operands,
                                            ir::Attrs attrs);

  ir::TensorType type(ir::ValueId value) const { return module_.value(value).type; }
  ir::DType dtype(ir::ValueId value) const { return module_.value(value).type.dtype; }
  std::vector<ir::Dim> shape(ir::ValueId value) const { return module_.value(value).type.dims; }
  int64_t rank(ir::ValueId value) const {
    return static_cast<int64_t>(module_.value(value).type.rank());
  }

  /// A size that the model's data decides: the value of the i64 scalar `count`, which is never
  /// above `largest`. Equal work gives equal sizes.
  ir::Dim read_size(ir::ValueId count, ir::Dim largest);

  /// The elements in row-major order when they are known whole numbers, which may depend on sizes.
  std::optional<std::vector<ir::Dim>> elements(ir::ValueId value) const;
  /// The same when none depends on a size.
  std::optional<std::vector<int64_t>> integers(ir::ValueId value) const;
  /// The one element of a value with one known element.
  std::optional<double> scalar(ir::ValueId value) const { return module_.scalar(value); }

  // Leaves.
  ir::ValueId number(double value, ir::DType dtype);
  ir::ValueId numbers(const std::vector<double>& values, ir::DType dtype);
  /// A value of a static type whose elements are these.
  Result<ir::ValueId> from_elements(const ir::TensorType& type, std::vector<ir::Dim> elements);
  /// A one-dimensional i64 value.
  Result<ir::ValueId> from_dims(std::vector<ir::Dim> elements);

  // Shorthands; those that change nothing return their operand.
  Operand reshape(Operand x, std::vector<ir::Dim> dims);
  Operand transpose(Operand x, std::vector<int64_t> perm);
  Operand expand(Operand x, std::vector<ir::Dim> dims);
  Operand cast(Operand x, ir::DType to);
  /// Elements start, start + step, ... before `end` along one axis; numpy's rules: bounds below 0
  /// count from the end, bounds beyond the axis stop at it. Where an axis of known size may turn
  /// out too short for an open size, it is taken to be long enough; then it is read by a gather,
  /// which checks that when the model runs.
  Operand slice(Operand x, int64_t axis, ir::Dim start, ir::Dim end, int64_t step = 1);
  Operand concat(const std::vector<Operand>& xs, int64_t axis);
  Operand reduce(Operand x, std::string_view kind, std::vector<int64_t> axes, bool keep);
  /// `x op value`, the value in the dtype of x.
  Operand with_number(ir::Op op, Operand x, double value);

 private:
  std::optional<ir::ValueId> fold(ir::Op op, const std::vector<ir::ValueId>& operands,
                                  const ir::Attrs& attrs);
  Result<std::optional<ir::ValueId>> track(ir::Op op, const std::vector<ir::ValueId>& operands,
                                           const ir::Attrs& attrs);
  std::optional<ir::TensorType> infer(ir::Op op, const std::vector<ir::ValueId>& operands,
                                      const ir::Attrs& attrs);

  ir::Module& module_;
  ir::OriginId origin_;
};

}  // namespace tenon::import
