// What an operator means: shape rule, checks, reference evaluation and naive loops. One file per
// family defines its operators; nothing else in Tenon switches over operators.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/loop_scope.h"
#include "ops/tensor.h"

namespace tenon::ops {

/// What a shape rule sees: one operand for each of the row (more where it is variadic), nullptr
/// where an optional one is absent.
struct InferContext {
  ir::Dims& dims;
  const ir::Attrs& attrs;
  std::span<const ir::TensorType* const> operands;
};

/// Types of the results, or what is wrong with operands or attributes, as a sentence for the user
/// that gives the shapes ("kernel 3x3 does not fit the padded input 2x2").
using Inferred = std::expected<std::vector<ir::TensorType>, std::string>;

/// What reference evaluation sees: operands as in InferContext; dense row-major tensors; results
/// are allocated, uninitialised.
struct EvaluateContext {
  const ir::Attrs& attrs;  ///< every dim in it is a number
  std::span<const Tensor* const> operands;
  std::span<Tensor* const> results;
};

/// Nothing, or what went wrong at run time ("index 17 is out of range for axis 0 of 16").
using Evaluated = std::expected<void, std::string>;

/// How the operator may be treated by passes; all of them ask here.
struct Traits {
  bool elementwise =
      false;  ///< result element depends on the operands' elements at the broadcast index only
  bool view =
      false;  ///< result elements are operand 0's elements: may be an alias instead of a kernel
  bool leaf = false;     ///< no operands: constant, parameter
  bool foreign = false;  ///< code that is not ours (ops/c_function.h): alone in its kernel, reads
                         ///< and writes dense row-major memory
};

/// A leaf has neither rule: its type and elements are those of its data.
struct Operator {
  Inferred (*infer)(InferContext& context);
  Evaluated (*evaluate)(EvaluateContext& context);
  /// Naive loops: correct for every placement, one task per outer row; innermost loops marked
  /// kVector where lanes are independent. nullptr only for leaves and for operators that always
  /// become a view.
  void (*to_loops)(ir::LoopScope& scope) = nullptr;
  Traits traits = {};
};

/// The meaning of one row of graph.def, defined in the file of its family: a row that no file
/// defines does not link.
template <ir::Op op>
Operator define();

/// The meaning of `op`.
const Operator& operator_of(ir::Op op);

/// Makes a node after asking the operator's shape rule, appended to the module's graph. The error
/// is kBadShape and says where.
Result<ir::NodeId> add_node(ir::Module& module, ir::Op op, std::vector<ir::ValueId> inputs,
                            ir::Attrs attrs, ir::OriginId origin);

/// The same for an operator with one result.
Result<ir::ValueId> add(ir::Module& module, ir::Op op, std::vector<ir::ValueId> inputs,
                        ir::Attrs attrs, ir::OriginId origin);

/// A `constant` with these elements.
ir::ValueId add_constant(ir::Module& module, const Tensor& tensor, ir::OriginId origin);

/// The numpy broadcast of shapes; symbolic dims broadcast with themselves and with 1.
std::expected<std::vector<ir::Dim>, std::string> broadcast(
    std::span<const std::vector<ir::Dim>> shapes, ir::Dims& dims);

}  // namespace tenon::ops
